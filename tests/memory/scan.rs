//! Searches all writable memory of this process for needles: heaps, stacks and statics.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::{Mutex, PoisonError};

use crate::needles::Searcher;

const CHUNK: usize = 1 << 20;
/// The number of bytes that are read twice. It is larger than any piece.
const OVERLAP: usize = 64;

/// The buffer for memory that is read. It is excluded from the search, because it contains copies.
static BUFFER: Mutex<[u8; CHUNK]> = Mutex::new([0; CHUNK]);

/// A piece of a needle, and the mapping that contains it.
pub struct Hit {
    pub needle: usize,
    pub piece: usize,
    pub place: String,
}

/// Returns every place of every piece.
pub fn scan(searcher: &Searcher) -> Vec<Hit> {
    let mut buffer = BUFFER.lock().unwrap_or_else(PoisonError::into_inner);
    let own = buffer.as_ptr_range();
    let own = own.start as u64..own.end as u64;
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let memory = File::open("/proc/self/mem").unwrap();
    let mut hits = Vec::new();
    for line in maps.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (start, end) = words[0].split_once('-').unwrap();
        let (start, end) = (u64::from_str_radix(start, 16).unwrap(), u64::from_str_radix(end, 16).unwrap());
        if !words[1].starts_with("rw") {
            continue;
        }
        let name = words.get(5).copied().unwrap_or("anonymous");
        // The parts before and after the buffer.
        for range in [start..end.min(own.start.max(start)), start.max(own.end.min(end))..end] {
            let mut at = range.start;
            while at < range.end {
                let len = (range.end - at).min(CHUNK as u64) as usize;
                // A guard page of the kernel cannot be read.
                let Ok(read) = memory.read_at(&mut buffer[..len], at) else { break };
                let is_last = at + read as u64 >= range.end;
                let step = if is_last { read } else { read - OVERLAP.min(read - 1) };
                searcher.search(&buffer[..read], step, |needle, piece, offset| {
                    let place = format!("{name} {start:x}+{:x}", at - start + offset as u64);
                    hits.push(Hit { needle, piece, place });
                });
                at += step as u64;
            }
        }
    }
    hits
}
