/* SPDX-License-Identifier: Apache-2.0 */
/*
 * psa_ps_create and psa_ps_set_extended (PSA Secure Storage API 1.0.4, section
 * 5.4) for a program that is linked with TF-M's interface sources. TF-M has no
 * calls for the two, and its tfm_ps_api.c answers PSA_ERROR_NOT_SUPPORTED by
 * itself; this secure world has them, under message types of its own. README.md
 * beside this file says how the two sources go together.
 *
 * Each makes one psa_call, and what is said of that in psa/client.h holds here.
 */

//go:build ignore
/* The line above keeps the go tool, whose tests lie beside this file, off it. */

#include "psa/client.h"

#include <stddef.h>
#include <stdint.h>

/* TFM_PROTECTED_STORAGE_SERVICE, SID 0x60, version 1. */
#define PS_HANDLE       ((psa_handle_t)0x40000101)
#define PS_CREATE       0x4000
#define PS_SET_EXTENDED 0x4001

/* What one call carries besides a uid and an offset. No asset has that much: the
 * secure world, too, keeps each one with a call of its own. */
#define PS_LARGEST (1048576u - sizeof(uint64_t) - sizeof(uint32_t))

/* As psa/protected_storage.h declares them, whose psa_storage_uid_t and
 * psa_storage_create_flags_t are these types. */
psa_status_t psa_ps_create(uint64_t uid, size_t capacity, uint32_t create_flags);
psa_status_t psa_ps_set_extended(uint64_t uid, size_t data_offset, size_t data_length, const void *p_data);

psa_status_t psa_ps_create(uint64_t uid, size_t capacity, uint32_t create_flags)
{
    uint32_t bytes = (uint32_t)capacity;
    psa_invec in[] = {
        { &uid, sizeof uid },
        { &bytes, sizeof bytes },
        { &create_flags, sizeof create_flags },
    };

    /* No storage has that much; what else may be wrong is not asked for then, as
     * the order of the checks is nobody's promise. */
    if (bytes != capacity) {
        return PSA_ERROR_INSUFFICIENT_STORAGE;
    }
    return psa_call(PS_HANDLE, PS_CREATE, in, 3, NULL, 0);
}

psa_status_t psa_ps_set_extended(uint64_t uid, size_t data_offset, size_t data_length, const void *p_data)
{
    uint32_t offset = (uint32_t)data_offset;
    psa_invec in[] = {
        { &uid, sizeof uid },
        { p_data, data_length },
        { &offset, sizeof offset },
    };

    /* More than the largest is past every capacity. psa_call would only say that
     * it has no room for it, and not read it either. */
    if (offset != data_offset || data_length > PS_LARGEST || (p_data == NULL && data_length > 0)) {
        return PSA_ERROR_INVALID_ARGUMENT;
    }
    return psa_call(PS_HANDLE, PS_SET_EXTENDED, in, 3, NULL, 0);
}
