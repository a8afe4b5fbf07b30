//! The table through which a loaded library calls functions of other libraries. The dynamic linker fills it in
//! (System V ABI, dynamic section).

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    mem::size_of,
    ptr::NonNull,
};

use super::memory::page_size;

/// A library in this process.
#[derive(Clone, Copy)]
pub struct Library {
    base: usize,
    dynamic: NonNull<Dynamic>,
    /// The addresses that the dynamic linker made read-only after it had filled them in.
    protected: (usize, usize),
}

/// An entry of the dynamic section.
#[repr(C)]
struct Dynamic {
    tag: i64,
    value: usize,
}

/// A relocation with an addend: the place, the symbol, and what is added.
#[repr(C)]
struct Relocation {
    offset: usize,
    info: u64,
    addend: i64,
}

/// A symbol of the dynamic table (64 bits).
#[repr(C)]
struct Symbol {
    name: u32,
    info: u8,
    other: u8,
    section: u16,
    value: usize,
    size: u64,
}

const DT_PLTRELSZ: i64 = 2;
const DT_STRTAB: i64 = 5;
const DT_SYMTAB: i64 = 6;
const DT_RELA: i64 = 7;
const DT_RELASZ: i64 = 8;
const DT_JMPREL: i64 = 23;

/// A place that holds a function's address.
#[derive(Clone, Copy)]
pub struct Call {
    slot: *mut usize,
    protected: bool,
}

impl Library {
    /// The library that contains `address`.
    ///
    /// The tables are only understood on systems of 64 bits whose relocations have addends.
    pub fn at(address: *const c_void) -> Option<Self> {
        struct Search {
            address: usize,
            found: Option<Library>,
        }
        unsafe extern "C" fn look(
            info: *mut libc::dl_phdr_info,
            _: libc::size_t,
            data: *mut c_void,
        ) -> c_int {
            // SAFETY: the C library hands each loaded object over, with its program headers; data is a Search.
            unsafe {
                let (info, search) = (&*info, &mut *data.cast::<Search>());
                let base = info.dlpi_addr as usize;
                let headers = std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into());
                let holds = headers.iter().any(|h| {
                    let begin = base.wrapping_add(h.p_vaddr as usize);
                    h.p_type == libc::PT_LOAD
                        && (begin..begin.saturating_add(h.p_memsz as usize)).contains(&search.address)
                });
                if !holds {
                    return 0;
                }
                let place = |kind| {
                    let header = headers.iter().find(|h| h.p_type == kind)?;
                    let begin = base.wrapping_add(header.p_vaddr as usize);
                    Some((begin, begin.wrapping_add(header.p_memsz as usize)))
                };
                let protected = place(libc::PT_GNU_RELRO).unwrap_or_default();
                search.found = place(libc::PT_DYNAMIC).and_then(|(begin, _)| {
                    let dynamic = NonNull::new(begin as *mut Dynamic)?;
                    Some(Library { base, dynamic, protected })
                });
                1
            }
        }
        if !cfg!(target_pointer_width = "64") {
            return None;
        }
        let mut search = Search { address: address.addr(), found: None };
        // SAFETY: the function keeps the callback's contract, and the search outlives the call.
        unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut search).cast()) };
        search.found
    }

    /// A value of the dynamic section. Some C libraries do not relocate the addresses in it.
    fn entry(&self, tag: i64) -> Option<usize> {
        let mut next = self.dynamic.as_ptr();
        // SAFETY: the section of a loaded library, which ends with an entry of tag 0.
        while let Some(entry) = unsafe { next.as_ref() }.filter(|entry| entry.tag != 0) {
            if entry.tag == tag {
                return Some(entry.value);
            }
            next = next.wrapping_add(1);
        }
        None
    }

    fn table<T>(&self, tag: i64) -> Option<*const T> {
        let value = self.entry(tag)?;
        let address = if value < self.base { self.base + value } else { value };
        Some(address as *const T)
    }

    fn relocations(&self) -> impl Iterator<Item = &Relocation> {
        [(DT_JMPREL, DT_PLTRELSZ), (DT_RELA, DT_RELASZ)].into_iter().flat_map(|(table, size)| {
            let found = self.table::<Relocation>(table).zip(self.entry(size));
            // SAFETY: the tables of a loaded library, as long as its dynamic section says.
            found.map_or(&[][..], |(first, bytes)| unsafe {
                std::slice::from_raw_parts(first, bytes / size_of::<Relocation>())
            })
        })
    }

    /// Every place through which this library calls `name`. If the library itself defines `name`, also the function.
    pub fn calls(&self, name: &CStr) -> (Vec<Call>, Option<*const c_void>) {
        let tables = self.table::<Symbol>(DT_SYMTAB).zip(self.table::<c_char>(DT_STRTAB));
        let Some((symbols, strings)) = tables else { return (Vec::new(), None) };
        let mut own = None;
        let mut calls = Vec::new();
        for relocation in self.relocations() {
            let number = (relocation.info >> 32) as usize;
            if number == 0 || relocation.addend != 0 {
                continue;
            }
            // SAFETY: a relocation names an entry of the library's table of symbols, and that a string of its
            // table of names.
            let (symbol, called) = unsafe {
                let symbol = &*symbols.add(number);
                (symbol, CStr::from_ptr(strings.add(symbol.name as usize)))
            };
            if called == name {
                let slot = self.base.wrapping_add(relocation.offset);
                // Whole pages are protected, so the end is rounded down (glibc, _dl_protect_relro).
                let end = self.protected.1 / page_size() * page_size();
                let protected = (self.protected.0..end).contains(&slot);
                calls.push(Call { slot: slot as *mut usize, protected });
                if symbol.section != 0 {
                    own = Some(self.base.wrapping_add(symbol.value) as *const c_void);
                }
            }
        }
        (calls, own)
    }
}

impl Call {
    /// The function that this call reaches now.
    pub fn target(&self) -> *const c_void {
        // SAFETY: a place in a loaded library's data.
        unsafe { self.slot.read() as *const c_void }
    }

    /// Makes this call reach `function` instead. The error is an errno.
    ///
    /// # Safety
    /// `function` is one of the same type, which is there as long as the process; and no other thread runs.
    pub unsafe fn lead_to(&self, function: *const c_void) -> Result<(), i32> {
        let page = page_size();
        let begin = self.slot.addr() / page * page;
        // SAFETY: the page of the library's own data that the place lies in, private to this process. Where the
        // dynamic linker had protected it, it is protected again.
        unsafe {
            let page_of = |protection| match libc::mprotect(begin as *mut c_void, page, protection) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EPERM)),
            };
            page_of(libc::PROT_READ | libc::PROT_WRITE)?;
            self.slot.write(function.addr());
            if self.protected { page_of(libc::PROT_READ) } else { Ok(()) }
        }
    }
}
