/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls psa_ps_create and psa_ps_set_extended and prints a line for each: what was
 * asked, and the status.
 */
#include "psa/client.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

psa_status_t psa_ps_create(uint64_t uid, size_t capacity, uint32_t create_flags);
psa_status_t psa_ps_set_extended(uint64_t uid, size_t data_offset, size_t data_length, const void *p_data);

static void create(const char *what, uint64_t uid, size_t capacity, uint32_t flags)
{
    printf("create %s: %" PRId32 "\n", what, psa_ps_create(uid, capacity, flags));
}

static void extend(const char *what, uint64_t uid, size_t offset, const char *text)
{
    printf("write %s: %" PRId32 "\n", what, psa_ps_set_extended(uid, offset, strlen(text), text));
}

int main(void)
{
    uint64_t uid = 7;
    uint32_t offset = 0;
    unsigned char back[32];
    static const unsigned char large[1048576 - 12]; /* what one call carries */
    psa_invec in[] = { { &uid, sizeof uid }, { &offset, sizeof offset } };
    psa_outvec out[] = { { back, sizeof back } };
    psa_status_t status;

    create("uid 0", 0, 16, 0);
    create("write-once", uid, 16, 1);
    create("unknown flag", uid, 16, 8);
    create("too much", uid, 1 << 30, 0);
#if SIZE_MAX > UINT32_MAX
    create("4 GiB and 16", uid, ((size_t)1 << 32) + 16, 0);
#endif
    create("uid 7", uid, 16, 6);
    create("uid 7 again", uid, 16, 6);
    extend("start", uid, 0, "the door ");
    extend("end", uid, 9, "is open");
    extend("over", uid, 4, "gate");
    extend("nothing", uid, 16, "");
    extend("past the end", uid, 17, "");
    extend("past the capacity", uid, 16, "x");
    /* Longer than the memory at hand, which must not be read for it. */
    printf("write too much: %" PRId32 "\n", psa_ps_set_extended(uid, 1, UINT32_MAX, back));
    printf("write all but too much: %" PRId32 "\n", psa_ps_set_extended(uid, 0, sizeof large, large));
    printf("write more than a call: %" PRId32 "\n", psa_ps_set_extended(uid, 0, sizeof large + 1, large));
    extend("uid 8", 8, 0, "x");
#if SIZE_MAX > UINT32_MAX
    extend("at 4 GiB", uid, (size_t)1 << 32, "x");
#endif
    printf("write NULL: %" PRId32 "\n", psa_ps_set_extended(uid, 0, 1, NULL));
    printf("write no bytes at NULL: %" PRId32 "\n", psa_ps_set_extended(uid, 0, 0, NULL));

    status = psa_call((psa_handle_t)0x40000101, 1002, in, 2, out, 1);
    printf("read: %" PRId32 " %.*s\n", status, (int)out[0].len, (const char *)back);
    return 0;
}
