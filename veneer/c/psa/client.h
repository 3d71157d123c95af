/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The five PSA client calls (Arm Firmware Framework for M 1.1, section 3.2) for
 * a non-secure program. Compile postern.c, beside this folder, into the
 * program; README.md there has the details.
 *
 * All five are safe to call from any thread and from a forked child, never
 * raise SIGPIPE, leave errno as it was, are not cancellation points, and may
 * not be called from a signal handler.
 */
/* __PSA_CLIENT_H__ is the guard of TF-M's header of the same name: of the two, the
 * first one that a file comes upon counts. */
#if !defined(POSTERN_PSA_CLIENT_H) && !defined(__PSA_CLIENT_H__)
#define POSTERN_PSA_CLIENT_H
#define __PSA_CLIENT_H__

#include <stddef.h>
#include <stdint.h>

#include "psa/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the framework that this header is written for. */
#define PSA_FRAMEWORK_VERSION (0x0101u)

/* What psa_version answers for a service that is absent, or not for this
 * caller. */
#define PSA_VERSION_NONE (0u)

/* No connection. psa_close ignores it. */
#define PSA_NULL_HANDLE ((psa_handle_t)0)

/* Whether psa_connect gave a connection, and the status if it did not. */
#define PSA_HANDLE_IS_VALID(handle) ((psa_handle_t)(handle) > 0)
#define PSA_HANDLE_TO_ERROR(handle) ((psa_status_t)(handle))

/* The most vectors of one call, input and output together. */
#define PSA_MAX_IOVEC (4u)

/* The request types that a service may define, and the one for a service that
 * tells its requests apart by their content. */
#define PSA_CALL_TYPE_MIN (0)
#define PSA_CALL_TYPE_MAX (INT16_MAX)
#define PSA_IPC_CALL      (0)

/* A connection, or one of the fixed handles of the stateless services. */
typedef int32_t psa_handle_t;

/* Memory that the service reads: len bytes at base. base may be NULL only if
 * len is 0. */
typedef struct psa_invec {
    const void *base;
    size_t len;
} psa_invec;

/* Memory that the service writes. On entry len is the room at base; afterwards
 * it is the number of bytes written there. base may be NULL only if len is 0. */
typedef struct psa_outvec {
    void *base;
    size_t len;
} psa_outvec;

/*
 * The version of the framework in the secure world, 0x0101 for FF-M 1.1, or 0
 * if the secure world cannot be reached.
 */
uint32_t psa_framework_version(void);

/*
 * The version of the service sid, or PSA_VERSION_NONE where it is absent, is
 * not for this caller, or the secure world cannot be reached.
 */
uint32_t psa_version(uint32_t sid);

/*
 * Opens a connection to the service sid in a version and returns its handle,
 * larger than 0, or a status:
 *   PSA_ERROR_CONNECTION_REFUSED     no such service, not for this caller, or
 *                                    not in this version
 *   PSA_ERROR_CONNECTION_BUSY        no room for another connection
 *   PSA_ERROR_PROGRAMMER_ERROR       the service is stateless
 *   PSA_ERROR_COMMUNICATION_FAILURE  the secure world cannot be reached
 * The handle belongs to this process and ends with the life of the secure
 * world: a forked child, and a secure world that was restarted, do not know it.
 */
psa_handle_t psa_connect(uint32_t sid, uint32_t version);

/*
 * Sends a request of a type, 0..32767, over a connection or to a stateless
 * service, with up to PSA_MAX_IOVEC vectors in all, and waits for the answer:
 * the status of the service, which may be positive, or
 *   PSA_ERROR_PROGRAMMER_ERROR       the handle, the type or a vector is not
 *                                    what FF-M allows
 *   PSA_ERROR_INSUFFICIENT_MEMORY    the inputs, or the room for the outputs,
 *                                    are more than 1 MiB (1048576 bytes) in all
 *   PSA_ERROR_CONNECTION_BUSY        the secure world has no room for another
 *                                    channel
 *   PSA_ERROR_COMMUNICATION_FAILURE  the secure world cannot be reached, or went
 *                                    away before it answered; the service may
 *                                    or may not have acted
 * A call that the service saw sets the len of every output vector that had
 * room, also when the status is an error; one that was refused before that
 * changes no vector. After PSA_ERROR_COMMUNICATION_FAILURE each such len is 0
 * and the content of the buffers is not defined. Vectors without room are never
 * touched. Inputs may overlap each other and the outputs.
 */
psa_status_t psa_call(psa_handle_t handle, int32_t type,
                      const psa_invec *in_vec, size_t in_len,
                      psa_outvec *out_vec, size_t out_len);

/*
 * Closes a connection. PSA_NULL_HANDLE, the handle of a stateless service and
 * one that is not open are ignored.
 */
void psa_close(psa_handle_t handle);

/*
 * Three names outside FF-M that TF-M's non-secure interface sources take from
 * this header: the size of an object as it crosses the boundary, and the number
 * of elements of an array of vectors.
 */
typedef uint32_t rot_size_t;
#define ROT_SIZE_MAX UINT32_MAX

#ifndef IOVEC_LEN
#define IOVEC_LEN(arr) ((uint32_t)(sizeof(arr) / sizeof((arr)[0])))
#endif

#ifdef __cplusplus
}
#endif

#endif
