/* How libev's wait comes to us: the import of one function in one library is redirected. Linux's linkers' alone. */
#include "guest.h"

#include <dlfcn.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

/* Let the library that contains `inside` call `function` for its import `name`. How often was it found? The page stays
 * writable where the linker had locked it. */
int redirect(void *inside, const char *name, void *function) {
    Dl_info info;
    struct link_map *map;
    void *library = dladdr(inside, &info) ? dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD) : NULL;
    if (!library || dlinfo(library, RTLD_DI_LINKMAP, &map)) /* glibc's dladdr1 would do, but musl has none */
        return 0;
    dlclose(library); /* whoever calls us has it loaded */
    char *base = (char *)map->l_addr, *start[DT_JMPREL + 1] = {NULL};
    size_t size[2] = {0, 0}, page = sysconf(_SC_PAGESIZE);
    int found = 0;
    for (ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL; d++)
        if (d->d_tag == DT_RELASZ || d->d_tag == DT_PLTRELSZ)
            size[d->d_tag == DT_PLTRELSZ] = d->d_un.d_val / sizeof(ElfW(Rela));
        else if (d->d_tag > 0 && d->d_tag <= DT_JMPREL) /* an address: glibc has relocated it, musl has not */
            start[d->d_tag] = (char *)d->d_un.d_ptr + (d->d_un.d_ptr < map->l_addr ? map->l_addr : 0);
    ElfW(Sym) *symbols = (ElfW(Sym) *)start[DT_SYMTAB];
    for (int t = 0; t < 2; t++) {
        ElfW(Rela) *r = (ElfW(Rela) *)start[t ? DT_JMPREL : DT_RELA];
        for (size_t i = 0; symbols && r && i < size[t]; i++, r++) {
            size_t symbol = sizeof(void *) == 8 ? r->r_info >> 32 : r->r_info >> 8;
            void **slot = (void **)(base + r->r_offset);
            if (strcmp(start[DT_STRTAB] + symbols[symbol].st_name, name) ||
                mprotect((void *)((uintptr_t)slot & ~(page - 1)), page, PROT_READ | PROT_WRITE))
                continue;
            *slot = function;
            found++;
        }
    }
    return found;
}
