//! Reads the bytes of a compiled map. They are refused, or they answer look-ups. Nothing else may happen.

use std::net::{Ipv4Addr, Ipv6Addr};

use bytemuck::Zeroable;

use super::{
    asker::{Asker, DEFAULT, assert_fit_for_a_log, name},
    index::askers,
};
use crate::map::{
    Map, MapError, MapText, file,
    table::{
        block::{Block, SourceStamp},
        builder::Builder,
        names::HashKeys,
    },
};

/// The input is the bytes of a file. Or it is the text of a map, the byte FF (which no text holds), and changes of
/// the compiled form: in groups of six bytes, the number of a word of four bytes and the new value of this word. So
/// an input keeps its meaning when the layout changes, and a person can read it.
pub(crate) fn compiled_map(data: &[u8]) {
    as_it_is(data);
    let end = data.iter().position(|b| *b == 0xFF).unwrap_or(data.len());
    let (text, changes) = (&data[..end], data.get(end + 1..).unwrap_or_default());
    match block(text) {
        Some(mut bytes) => {
            change(&mut bytes, changes);
            as_it_is(&bytes);
            mended(&bytes, &text_askers(text));
        }
        None => mended(data, &[]),
    }
}

/// Does what a server does when it finds these bytes in a file.
fn as_it_is(data: &[u8]) {
    let mut block = memmap2::MmapMut::map_anon(data.len().max(1)).expect("memory");
    block[..data.len()].copy_from_slice(data);
    match file::of_block(name(), block.make_read_only().expect("memory"), DEFAULT) {
        Ok(map) => ask(&map, &[]),
        Err(error) => {
            assert!(matches!(error, MapError::Compiled { .. }), "{error}");
            assert_fit_for_a_log(&error);
        }
    }
}

/// The same, with a correct head and a correct checksum.
fn mended(data: &[u8], more: &[Asker]) {
    let block = Block::mended(data).expect("a block");
    ask(&Map { path: name().into(), block, default: DEFAULT }, more);
}

/// The compiled form of a map. It is the same each time.
fn block(text: &[u8]) -> Option<Vec<u8>> {
    let builder = Builder::with_keys(text, DEFAULT, HashKeys::zeroed());
    let block = builder.build(&name().into(), Err).ok().flatten()?;
    let stamp = SourceStamp { size: 0, seconds: 0, nanoseconds: 0 };
    Some(block.to_file(stamp, b"landlock", b"/nonexistent/m").ok()?.bytes().to_vec())
}

fn change(bytes: &mut [u8], changes: &[u8]) {
    let words = bytes.len() / 4;
    for change in changes.chunks_exact(6) {
        let word = usize::from(u16::from_le_bytes([change[0], change[1]])) % words;
        bytes[4 * word..][..4].copy_from_slice(&change[2..]);
    }
}

/// Asks the map all that a server asks.
fn ask(map: &Map, more: &[Asker]) {
    for asker in any_askers().iter().chain(more) {
        if let Some(hit) = map.lookup(&asker.subject()) {
            let _ = map.list(hit.list);
            let _ = map.list_text(hit.list);
            let _ = map.origin(hit).to_string();
        }
    }
    assert!(map.lists().count() <= map.list_count() as usize);
    assert!(map.size() >= map.list_count() as usize);
}

fn text_askers(text: &[u8]) -> Vec<Asker> {
    askers(&MapText::of(name(), text.to_vec(), DEFAULT), Asker::default())
}

/// Requests of every kind, and some that take long to answer.
fn any_askers() -> Vec<Asker> {
    let path = |path: &str| Asker { path: Some(path.into()), ..Asker::default() };
    vec![
        Asker { user: Some(b"alice".to_vec()), ..Asker::default() },
        Asker { user: Some(b"a-user-with-a-name-of-many-bytes".to_vec()), ..Asker::default() },
        Asker { addr: Some(Ipv4Addr::new(10, 1, 1, 1).into()), ..Asker::default() },
        Asker { addr: Some(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()), ..Asker::default() },
        Asker { host: Some(b"a.example".to_vec()), ..Asker::default() },
        path("/"),
        path("/a/bc/b/a/ab/d"),
        path(&"/a".repeat(60)),
    ]
}
