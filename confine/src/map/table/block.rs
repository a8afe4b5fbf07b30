//! A map as one block of memory, which is read in place: a header, and behind it arrays of plain data.
//!
//! Nothing writes to a block once it is made. So a process that forks shares its pages with its children, and they stay
//! shared. The same bytes in a file are a compiled map, which any number of processes can map into their memory.
//!
//! The block has the byte order and the layout of the machine. [`Block::check`] looks at a file before the lengths and
//! numbers of its header are used. Numbers in the arrays are only used with a check of the bounds. So a damaged file
//! can give wrong answers, but no wrong access to memory.

use std::{mem::offset_of, ops::Range};

use bytemuck::{Pod, Zeroable};
use memmap2::{Advice, Mmap, MmapMut};
use siphasher::sip128::{Hasher128, SipHasher13};

use super::{Hit, names::HashKeys};

/// The first bytes of a compiled map. UTF-8 never has the first of them, so no text begins so.
pub(in crate::map) const MAGIC: [u8; 8] = *b"\xFFconfmap";

/// It changes when the layout of the block changes, or the meaning of anything in it.
pub(in crate::map) const VERSION: u32 = 5;

/// In [`Header::flags`]: a context names no backend, so it means the default backend.
pub(in crate::map) const DEFAULTED: u32 = 1;

/// In [`Header::flags`]: the case of users is ignored, and the tables have their names in lower case.
pub(in crate::map) const IGNORES_CASE: u32 = 2;

/// A machine with the other byte order reads another number.
const BYTE_ORDER: u32 = 0x0102_0304;

/// Each array begins at a multiple of this, which is two cache lines, so that what should lie in one cache line does.
const ALIGN: usize = 128;

/// The arrays of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(in crate::map) enum Array {
    Users,
    Hosts,
    V4Starts,
    V4Hits,
    V4Fences,
    V6Starts,
    V6Hits,
    V6Fences,
    Edges,
    Nodes,
    Branches,
    Patterns,
    Lists,
    Text,
    /// The name of the default backend, in a compiled map.
    Default,
    /// The path of the source, in a compiled map.
    Source,
}

const ARRAYS: usize = Array::Source as usize + 1;

/// The place of an array.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Extent {
    /// The number of bytes from the start of the block.
    offset: u64,
    /// The number of bytes of the array.
    len: u64,
}

/// The state of the source file when a compiled map was made from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(in crate::map) struct SourceStamp {
    pub size: u64,
    /// Modification time, in seconds and nanoseconds.
    pub seconds: i64,
    pub nanoseconds: i64,
}

/// The first part of the block.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(in crate::map) struct Header {
    magic: [u8; 8],
    version: u32,
    byte_order: u32,
    /// The SipHash-1-3, with 128 bits, of all bytes behind this field. It finds damage. It does not find malice,
    /// because who may write the file may write any rules.
    checksum: [u64; 2],
    /// The number of bytes of the whole block.
    len: u64,
    pub keys: HashKeys,
    pub source: SourceStamp,
    pub any: Hit,
    pub anonymous: Hit,
    /// The number of rules.
    pub rules: u32,
    /// A sum of [`DEFAULTED`] and [`IGNORES_CASE`].
    pub flags: u32,
    arrays: [Extent; ARRAYS],
}

/// Why a file is not a compiled map that this program can use.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::map) enum Damage {
    /// Another version of this program made it.
    Version(u32),
    /// A machine of the other byte order made it.
    ByteOrder,
    /// It is shorter or longer than when it was made.
    Length,
    /// Its bytes are not those that it was made with.
    Checksum,
}

/// A block while it is written. The arrays are filled in place, so nothing large is in memory twice.
pub(in crate::map) struct BlockBuilder {
    header: Header,
    block: MmapMut,
}

impl BlockBuilder {
    /// A block with this header, whose first fields are set, and with arrays of these lengths in bytes. The arrays are
    /// filled with zeros.
    pub fn new(mut header: Header, arrays: &[(Array, usize)]) -> std::io::Result<Self> {
        let mut end = size_of::<Header>();
        for &(array, len) in arrays {
            let offset = end.next_multiple_of(ALIGN);
            header.arrays[array as usize] = Extent { offset: offset as u64, len: len as u64 };
            end = offset + len;
        }
        (header.magic, header.version, header.byte_order) = (MAGIC, VERSION, BYTE_ORDER);
        header.len = end as u64;
        let block = MmapMut::map_anon(end)?;
        // Asks for large pages, if the kernel has some. A random look-up then misses the TLB once less.
        let _ = block.advise(Advice::HugePage);
        Ok(Self { header, block })
    }

    /// The bytes of an array.
    pub fn bytes(&mut self, array: Array) -> &mut [u8] {
        let Extent { offset, len } = self.header.arrays[array as usize];
        &mut self.block[range(offset, len)]
    }

    /// An array, as elements of type `T`.
    pub fn array<T: Pod>(&mut self, array: Array) -> &mut [T] {
        bytemuck::cast_slice_mut(self.bytes(array))
    }

    /// Two arrays. The first must lie before the second.
    pub fn both<T: Pod, U: Pod>(&mut self, first: Array, second: Array) -> (&mut [T], &mut [U]) {
        let place = |array: Array| {
            range(self.header.arrays[array as usize].offset, self.header.arrays[array as usize].len)
        };
        let (first, second) = (place(first), place(second));
        let (before, from) = self.block.split_at_mut(second.start);
        (bytemuck::cast_slice_mut(&mut before[first]), bytemuck::cast_slice_mut(&mut from[..second.len()]))
    }

    /// The finished block, which nobody can write to any more.
    pub fn finish(self) -> std::io::Result<Block> {
        let mut block = self.block;
        block[..size_of::<Header>()].copy_from_slice(bytemuck::bytes_of(&self.header));
        Ok(Block { bytes: block.make_read_only()? })
    }
}

/// The block.
pub(in crate::map) struct Block {
    bytes: Mmap,
}

impl Block {
    /// Checks the block that a file holds.
    pub fn check(bytes: Mmap) -> Result<Self, Damage> {
        let header = check_head(&bytes, bytes.len() as u64)?;
        if header.checksum != checksum(&bytes) {
            return Err(Damage::Checksum);
        }
        Ok(Self { bytes })
    }

    /// For fuzzing: makes a block that [`Block::check`] accepts. The header is corrected, and zeros are added where
    /// there are fewer bytes than a header has.
    #[cfg(any(test, feature = "fuzzing"))]
    pub fn mended(bytes: &[u8]) -> std::io::Result<Self> {
        let mut block = MmapMut::map_anon(bytes.len().max(size_of::<Header>()))?;
        block[..bytes.len()].copy_from_slice(bytes);
        let len = block.len() as u64;
        let header: &mut Header = bytemuck::from_bytes_mut(&mut block[..size_of::<Header>()]);
        (header.magic, header.version, header.byte_order, header.len) = (MAGIC, VERSION, BYTE_ORDER, len);
        let sum = checksum(&block);
        let at = offset_of!(Header, checksum);
        block[at..at + 16].copy_from_slice(bytemuck::bytes_of(&sum));
        let block = block.make_read_only()?;
        Self::check(block).map_err(|damage| std::io::Error::other(format!("{damage:?}")))
    }

    /// The block for a file, with its checksum and with the source that it was made from.
    pub fn to_file(&self, source: SourceStamp, default: &[u8], path: &[u8]) -> std::io::Result<Self> {
        let header = Header { source, ..*self.header() };
        let mut arrays: Vec<_> = ALL.iter().map(|&array| (array, self.bytes_of(array))).collect();
        arrays.push((Array::Default, default));
        arrays.push((Array::Source, path));
        let lengths: Vec<_> = arrays.iter().map(|(array, bytes)| (*array, bytes.len())).collect();
        let mut block = BlockBuilder::new(header, &lengths)?;
        for (array, bytes) in arrays {
            block.bytes(array).copy_from_slice(bytes);
        }
        let mut bytes = block.finish()?.bytes.make_mut()?;
        let sum = checksum(&bytes);
        let at = offset_of!(Header, checksum);
        bytes[at..at + 16].copy_from_slice(bytemuck::bytes_of(&sum));
        Ok(Self { bytes: bytes.make_read_only()? })
    }

    /// The header.
    pub fn header(&self) -> &Header {
        // `build` and `check` both make sure that there is a header. Mapped memory is aligned.
        bytemuck::from_bytes(&self.bytes[..size_of::<Header>()])
    }

    /// An array. It is empty where the block has none with elements of this size.
    pub fn array<T: Pod>(&self, array: Array) -> &[T] {
        bytemuck::try_cast_slice(self.bytes_of(array)).unwrap_or_default()
    }

    fn bytes_of(&self, array: Array) -> &[u8] {
        let Extent { offset, len } = self.header().arrays[array as usize];
        self.bytes.get(range(offset, len)).unwrap_or_default()
    }

    /// All bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The arrays that each map has.
const ALL: [Array; ARRAYS - 2] = [
    Array::Users,
    Array::Hosts,
    Array::V4Starts,
    Array::V4Hits,
    Array::V4Fences,
    Array::V6Starts,
    Array::V6Hits,
    Array::V6Fences,
    Array::Edges,
    Array::Nodes,
    Array::Branches,
    Array::Patterns,
    Array::Lists,
    Array::Text,
];

fn range(offset: u64, len: u64) -> Range<usize> {
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    number(offset)..number(offset.saturating_add(len))
}

/// Checks the header at the start of a block of `len` bytes.
fn check_head(head: &[u8], len: u64) -> Result<Header, Damage> {
    let number = |at: usize| {
        head.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_ne_bytes).ok_or(Damage::Length)
    };
    if number(offset_of!(Header, byte_order))? != BYTE_ORDER {
        return Err(Damage::ByteOrder);
    }
    match number(offset_of!(Header, version))? {
        VERSION => {}
        other => return Err(Damage::Version(other)),
    }
    let header = head.get(..size_of::<Header>()).ok_or(Damage::Length)?;
    let header: Header = bytemuck::try_pod_read_unaligned(header).map_err(|_| Damage::Length)?;
    if header.magic != MAGIC || header.len != len {
        return Err(Damage::Length);
    }
    Ok(header)
}

/// The offset of the first byte that the checksum covers.
const SUMMED: usize = offset_of!(Header, checksum) + size_of::<[u64; 2]>();

/// The checksum of all bytes behind the field itself.
fn checksum(bytes: &[u8]) -> [u64; 2] {
    let mut sum = Sum::default();
    sum.add(bytes.get(SUMMED..).unwrap_or_default());
    sum.finish()
}

/// A checksum that is not finished.
#[derive(Default)]
struct Sum(SipHasher13);

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        std::hash::Hasher::write(&mut self.0, bytes);
    }

    fn finish(self) -> [u64; 2] {
        let sum = self.0.finish128();
        [sum.h1, sum.h2]
    }
}

/// A block that is checked piece by piece, before there is memory for all of it.
pub(in crate::map) struct Pieces {
    len: u64,
    /// The checksum that its header has, and the one of the bytes so far.
    sums: Option<([u64; 2], Sum)>,
}

impl Pieces {
    /// Begins with a block of `len` bytes.
    pub fn of(len: u64) -> Self {
        Self { len, sums: None }
    }

    /// Adds the next piece. The first piece has the header.
    pub fn add(&mut self, piece: &[u8]) -> Result<(), Damage> {
        match &mut self.sums {
            Some((_, sum)) => sum.add(piece),
            None => {
                let header = check_head(piece, self.len)?;
                let mut sum = Sum::default();
                sum.add(piece.get(SUMMED..).unwrap_or_default());
                self.sums = Some((header.checksum, sum));
            }
        }
        Ok(())
    }

    /// Ends the check, after the last piece.
    pub fn finish(self) -> Result<(), Damage> {
        let (stated, sum) = self.sums.ok_or(Damage::Length)?;
        if stated == sum.finish() { Ok(()) } else { Err(Damage::Checksum) }
    }
}
