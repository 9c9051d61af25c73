// SPDX-License-Identifier: Apache-2.0
// kernel_callers FUNCTION...: which functions of the running kernel call these, a line "function caller" for each:
// the direct calls and tail jumps in its text (/proc/kcore), with their names (/proc/kallsyms).
#include <elf.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct symbol {
    uint64_t address;
    char name[120];
};

static struct symbol *symbols;
static size_t count;

static int ascending(const void *a, const void *b)
{
    const uint64_t x = ((const struct symbol *)a)->address, y = ((const struct symbol *)b)->address;
    return x < y ? -1 : x > y;
}

static void read_symbols(void)
{
    FILE *file = fopen("/proc/kallsyms", "r");
    char line[256], kind;
    size_t room = 0;

    while (file && fgets(line, sizeof(line), file)) {
        if (count == room) symbols = realloc(symbols, (room = 2 * room + 4096) * sizeof(*symbols));
        if (sscanf(line, "%lx %c %119s", &symbols[count].address, &kind, symbols[count].name) ==
                3 &&
            !strchr(line, '[') && (kind == 't' || kind == 'T' || kind == 'A'))
            count++;
    }
    qsort(symbols, count, sizeof(*symbols), ascending);
}

static uint64_t address_of(const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(symbols[i].name, name)) return symbols[i].address;
    return 0;
}

/* Without what the compiler adds: ".part.0", ".cold". */
static const char *function_at(uint64_t address)
{
    static char name[120];
    size_t low = 0, high = count;

    while (high - low > 1) {
        const size_t middle = (low + high) / 2;
        if (symbols[middle].address <= address) low = middle;
        else high = middle;
    }
    strcpy(name, symbols[low].name);
    name[strcspn(name, ".")] = 0;
    return name;
}

static uint8_t *read_text(uint64_t start, size_t size)
{
    int core = open("/proc/kcore", O_RDONLY);
    Elf64_Ehdr header;
    uint8_t *text = malloc(size);

    if (core < 0 || read(core, &header, sizeof(header)) != sizeof(header)) return NULL;
    for (int i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr part;
        size_t got = 0;
        if (pread(core, &part, sizeof(part), header.e_phoff + i * sizeof(part)) != sizeof(part))
            return NULL;
        if (part.p_type != PT_LOAD || start < part.p_vaddr || start - part.p_vaddr >= part.p_memsz)
            continue;
        while (got < size) {
            const ssize_t more =
                pread(core, text + got, size - got, part.p_offset + start - part.p_vaddr + got);
            if (more <= 0) return NULL;
            got += more;
        }
        return text;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    read_symbols();
    const uint64_t start = address_of("_stext"), end = address_of("_etext");
    uint8_t *text = start && end > start ? read_text(start, end - start) : NULL;
    uint64_t wanted[64];

    if (!text || argc > 64) return perror("the kernel's text cannot be read"), 2;
    for (int i = 1; i < argc; i++) wanted[i] = address_of(argv[i]);
    for (uint64_t at = 0; at + 5 <= end - start; at++) {
        int32_t distance;
        if (text[at] != 0xe8 && text[at] != 0xe9) continue; /* call, jmp */
        memcpy(&distance, text + at + 1, sizeof(distance));
        for (int i = 1; i < argc; i++)
            if (wanted[i] && start + at + 5 + distance == wanted[i])
                printf("%s %s\n", argv[i], function_at(start + at));
    }
    return 0;
}
