/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stores an asset in the Internal Trusted Storage and reads it back.
 *
 *   cc -std=c99 -pthread -I veneer/c -o its_asset nspe/examples/c/its_asset.c veneer/c/postern.c
 *   POSTERN_SOCKET=DIR/run/ns.sock ./its_asset [UID [TEXT]]
 *
 * Exit status: 0 if what came back is what was stored, 1 if not, 2 for wrong
 * arguments.
 *
 * It speaks to the service directly, so that nothing but the five calls is
 * needed. A program with the PSA Secure Storage API calls psa_its_set and
 * psa_its_get, which pack the same vectors.
 */
#include "psa/client.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* TFM_INTERNAL_TRUSTED_STORAGE_SERVICE, SID 0x70, version 1. */
#define ITS_HANDLE ((psa_handle_t)0x40000102)
#define ITS_SET    1001
#define ITS_GET    1002

/* The largest asset that the service takes by default, in bytes. */
#define ITS_MAX 512

static psa_status_t its_set(uint64_t uid, const void *data, size_t len)
{
    uint32_t flags = 0; /* PSA_STORAGE_FLAG_NONE */
    psa_invec in[] = {
        { &uid, sizeof uid },
        { data, len },
        { &flags, sizeof flags },
    };

    return psa_call(ITS_HANDLE, ITS_SET, in, 3, NULL, 0);
}

/* Reads up to *len bytes from the start of an asset; *len is what came. */
static psa_status_t its_get(uint64_t uid, void *data, size_t *len)
{
    uint32_t offset = 0;
    psa_invec in[] = {
        { &uid, sizeof uid },
        { &offset, sizeof offset },
    };
    psa_outvec out[] = { { data, *len } };
    psa_status_t status = psa_call(ITS_HANDLE, ITS_GET, in, 2, out, 1);

    *len = out[0].len;
    return status;
}

static int failed(const char *what, psa_status_t status)
{
    fprintf(stderr, "its_asset: %s: status %" PRId32 "\n", what, status);
    if (status == PSA_ERROR_COMMUNICATION_FAILURE) {
        fprintf(stderr, "hint: POSTERN_SOCKET names the socket of a running secure world\n");
    }
    return EXIT_FAILURE;
}

static int usage(void)
{
    fprintf(stderr, "usage: its_asset [UID [TEXT]]\n"
                    "UID is a number from 1 up, TEXT at most %d bytes\n", ITS_MAX);
    return 2;
}

int main(int argc, char **argv)
{
    uint64_t uid = 0xc0ffee;
    const char *text = "the door is at the back";
    unsigned char back[ITS_MAX];
    size_t len = sizeof back;
    psa_status_t status;

    if (argc > 3) {
        return usage();
    }
    if (argc > 1) {
        char *end;

        errno = 0;
        uid = strtoull(argv[1], &end, 0);
        if (errno != 0 || *end != '\0' || uid == 0 || argv[1][0] == '-') {
            return usage();
        }
    }
    if (argc > 2) {
        text = argv[2];
    }
    if (strlen(text) > ITS_MAX) {
        return usage();
    }

    status = its_set(uid, text, strlen(text));
    if (status != PSA_SUCCESS) {
        return failed("set", status);
    }
    printf("stored %zu bytes under uid 0x%" PRIx64 "\n", strlen(text), uid);

    status = its_get(uid, back, &len);
    if (status != PSA_SUCCESS) {
        return failed("get", status);
    }
    if (len != strlen(text) || memcmp(back, text, len) != 0) {
        fprintf(stderr, "its_asset: read back something else, %zu bytes\n", len);
        return EXIT_FAILURE;
    }
    printf("read back: %.*s\n", (int)len, (const char *)back);
    return EXIT_SUCCESS;
}
