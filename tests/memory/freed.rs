//! An allocator that looks into every block that is freed, or moved to grow, before the system gets it back.

#![allow(unsafe_code, reason = "the trait of allocators is unsafe; nothing else in these tests is")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use zeroizing_alloc::ZeroAlloc;

use crate::needles::Searcher;

/// More than there are needles, and pieces of each.
const NEEDLES: usize = 64;
const PIECES: usize = 16;

pub static SEARCHER: OnceLock<Searcher> = OnceLock::new();
/// True if freed blocks are looked into.
pub static LOOKS: AtomicBool = AtomicBool::new(false);
/// True if blocks are wiped as they are freed.
pub static WIPES: AtomicBool = AtomicBool::new(false);
static FOUND: [[AtomicU32; PIECES]; NEEDLES] = [const { [const { AtomicU32::new(0) }; PIECES] }; NEEDLES];

thread_local! {
    static SHOWS: Cell<bool> = const { Cell::new(false) };
}

/// In how many freed blocks the needle was found, by that of its pieces which was found most often.
pub fn found(needle: usize) -> u32 {
    FOUND[needle].iter().map(|count| count.load(Ordering::Relaxed)).max().unwrap_or_default()
}

pub struct Looking;

impl Looking {
    unsafe fn look(block: *mut u8, layout: Layout) {
        if !LOOKS.load(Ordering::Relaxed) {
            return;
        }
        let Some(searcher) = SEARCHER.get() else { return };
        // SAFETY: the caller owns the block until it is freed, which happens after this. Unwritten bytes may have any
        // value, and are only compared.
        let bytes = unsafe { std::slice::from_raw_parts(block, layout.size()) };
        searcher.search(bytes, bytes.len(), |needle, piece, _| {
            FOUND[needle][piece].fetch_add(1, Ordering::Relaxed);
            show(searcher, needle, piece, layout);
        });
    }
}

/// For everyone who wants to know where a block was freed.
fn show(searcher: &Searcher, needle: usize, piece: usize, layout: Layout) {
    if std::env::var_os("ENVCONF_MEMORY_SHOW").is_none() || SHOWS.replace(true) {
        return;
    }
    let name = &searcher.needles()[needle].name;
    let trace = std::backtrace::Backtrace::force_capture();
    eprintln!("freed {name}.{piece} in {} bytes\n{trace}", layout.size());
    SHOWS.set(false);
}

// SAFETY: every block comes from the system's allocator and goes back to it, as it was asked for.
unsafe impl GlobalAlloc for Looking {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    // Without its own `realloc`: a block that grows is moved, and the old one is freed here.
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises; both allocators are the system's.
        unsafe {
            if WIPES.load(Ordering::Relaxed) {
                ZeroAlloc(System).dealloc(block, layout);
            } else {
                Self::look(block, layout);
                System.dealloc(block, layout);
            }
        }
    }
}

#[global_allocator]
static ALLOCATOR: Looking = Looking;
