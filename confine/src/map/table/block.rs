//! A map as one block of memory, read in place: a header, then arrays of plain data.
//!
//! The block is read-only once it is made. A process that branches shares it with its children page by page,
//! and nothing ever writes to it, so it stays shared; the same bytes in a file are a compiled map, which
//! any number of processes can map.
//!
//! The layout is the machine's own (byte order and all). A reader trusts lengths and nodes that a header
//! states only after [`Block::check`], and every number in the arrays only as far as bounds checks go: a
//! damaged file can give wrong answers, not wrong memory accesses.

use std::{mem::offset_of, ops::Range};

use bytemuck::{Pod, Zeroable};
use memmap2::{Advice, Mmap, MmapMut};
use siphasher::sip128::{Hasher128, SipHasher13};

use super::{Hit, names::HashKeys};

/// What a compiled map begins with. The first byte is in no UTF-8 text, so no map of text begins so.
pub(in crate::map) const MAGIC: [u8; 8] = *b"\xFFconfmap";

/// Changes whenever the layout or the meaning of anything in it does.
pub(in crate::map) const VERSION: u32 = 4;

/// In [`Header::flags`]: a context named no backend, so that the default counts.
pub(in crate::map) const DEFAULTED: u32 = 1;

/// In [`Header::flags`]: users match in any case, and stand in the tables in lower case.
pub(in crate::map) const IGNORES_CASE: u32 = 2;

/// Reads as another number on a machine of the other byte order.
const BYTE_ORDER: u32 = 0x0102_0304;

/// Where arrays begin: at a multiple of this, two lines of cache, so that what is to lie in one does.
const ALIGN: usize = 128;

/// The arrays of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(in crate::map) enum Array {
    Users,
    Hosts,
    V4Starts,
    V4Hits,
    V6Starts,
    V6Hits,
    Edges,
    Nodes,
    Branches,
    Patterns,
    Lists,
    Text,
    /// The name of the backend of contexts that named none, in a compiled map.
    Default,
    /// The file that a compiled map was made from.
    Source,
}

const ARRAYS: usize = Array::Source as usize + 1;

/// Where an array lies.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Extent {
    /// In bytes from the start of the block.
    offset: u64,
    /// In bytes.
    len: u64,
}

/// What the file that a compiled map was made from looked like then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(in crate::map) struct SourceStamp {
    pub size: u64,
    /// Modification time, in seconds and nanoseconds.
    pub seconds: i64,
    pub nanoseconds: i64,
}

/// The head of the block.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(in crate::map) struct Header {
    magic: [u8; 8],
    version: u32,
    byte_order: u32,
    /// SipHash-1-3 of 128 bits over all behind this field. It finds damage, not malice: who may write the
    /// file may write any rules.
    checksum: [u64; 2],
    /// Of the whole block, in bytes.
    len: u64,
    pub keys: HashKeys,
    pub source: SourceStamp,
    pub any: Hit,
    pub anonymous: Hit,
    /// The number of rules.
    pub rules: u32,
    /// [`DEFAULTED`] and [`IGNORES_CASE`].
    pub flags: u32,
    arrays: [Extent; ARRAYS],
}

/// Why a file is not a compiled map that can be used.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::map) enum Damage {
    /// Another version of this program made it.
    Version(u32),
    /// A machine of the other byte order made it.
    ByteOrder,
    /// It is shorter than it was made, or longer.
    Length,
    /// Its bytes are not what they were.
    Checksum,
}

/// A block while it is written. Its arrays are filled in place, so that nothing large is there twice.
pub(in crate::map) struct BlockBuilder {
    header: Header,
    block: MmapMut,
}

impl BlockBuilder {
    /// A block with this head (its first fields and nodes are filled in) and arrays of these lengths in
    /// bytes, all zero.
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
        // Large pages, where the kernel has some to give: a look-up at random then misses the TLB once less.
        let _ = block.advise(Advice::HugePage);
        Ok(Self { header, block })
    }

    /// The bytes of an array.
    pub fn bytes(&mut self, array: Array) -> &mut [u8] {
        let Extent { offset, len } = self.header.arrays[array as usize];
        &mut self.block[range(offset, len)]
    }

    /// An array of whole elements.
    pub fn array<T: Pod>(&mut self, array: Array) -> &mut [T] {
        bytemuck::cast_slice_mut(self.bytes(array))
    }

    /// Two arrays, the first of which lies before the second.
    pub fn both<T: Pod, U: Pod>(&mut self, first: Array, second: Array) -> (&mut [T], &mut [U]) {
        let place = |array: Array| {
            range(self.header.arrays[array as usize].offset, self.header.arrays[array as usize].len)
        };
        let (first, second) = (place(first), place(second));
        let (before, from) = self.block.split_at_mut(second.start);
        (bytemuck::cast_slice_mut(&mut before[first]), bytemuck::cast_slice_mut(&mut from[..second.len()]))
    }

    /// The block, from now on read-only.
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
    /// A block that a file holds, checked.
    pub fn check(bytes: Mmap) -> Result<Self, Damage> {
        let header = check_head(&bytes, bytes.len() as u64)?;
        if header.checksum != checksum(&bytes) {
            return Err(Damage::Checksum);
        }
        Ok(Self { bytes })
    }

    /// A block of these bytes that [`Block::check`] finds nothing to complain of: a head is put right, and
    /// zeros are put behind bytes that are fewer than a head.
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

    /// The block as a file is to hold it: with its checksum, and with what it was made from.
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

    /// The head.
    pub fn header(&self) -> &Header {
        // Both build() and check() saw to it that there is one; memory that is mapped is aligned.
        bytemuck::from_bytes(&self.bytes[..size_of::<Header>()])
    }

    /// An array; empty where the block does not hold one of this type.
    pub fn array<T: Pod>(&self, array: Array) -> &[T] {
        bytemuck::try_cast_slice(self.bytes_of(array)).unwrap_or_default()
    }

    fn bytes_of(&self, array: Array) -> &[u8] {
        let Extent { offset, len } = self.header().arrays[array as usize];
        self.bytes.get(range(offset, len)).unwrap_or_default()
    }

    /// All of it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The arrays that make a map.
const ALL: [Array; ARRAYS - 2] = [
    Array::Users,
    Array::Hosts,
    Array::V4Starts,
    Array::V4Hits,
    Array::V6Starts,
    Array::V6Hits,
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

/// The head of a block of `len` bytes that begins with `head`.
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

/// Where what the checksum is over begins.
const SUMMED: usize = offset_of!(Header, checksum) + size_of::<[u64; 2]>();

/// Over all behind the checksum itself.
fn checksum(bytes: &[u8]) -> [u64; 2] {
    let mut sum = Sum::default();
    sum.add(bytes.get(SUMMED..).unwrap_or_default());
    sum.finish()
}

/// A checksum while it is made.
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

/// A block that is looked at piece by piece, before there is memory for all of it.
pub(in crate::map) struct Pieces {
    len: u64,
    /// The checksum that its head states, and the one of what was seen.
    sums: Option<([u64; 2], Sum)>,
}

impl Pieces {
    /// Of a block of so many bytes.
    pub fn of(len: u64) -> Self {
        Self { len, sums: None }
    }

    /// The next piece; the first holds the head.
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

    /// After the last piece.
    pub fn finish(self) -> Result<(), Damage> {
        let (stated, sum) = self.sums.ok_or(Damage::Length)?;
        if stated == sum.finish() { Ok(()) } else { Err(Damage::Checksum) }
    }
}
