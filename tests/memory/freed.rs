//! An allocator that searches every freed or moved block before it returns the block to the system.

#![allow(unsafe_code, reason = "the trait of allocators is unsafe; nothing else in these tests is")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use zeroizing_alloc::ZeroAlloc;

use crate::needles::Searcher;

/// Upper limits of the number of needles, and of the pieces of each.
const NEEDLES: usize = 64;
const PIECES: usize = 16;

pub static SEARCHER: OnceLock<Searcher> = OnceLock::new();
/// True if freed blocks are searched.
pub static LOOKS: AtomicBool = AtomicBool::new(false);
/// True if blocks are wiped when they are freed.
pub static WIPES: AtomicBool = AtomicBool::new(false);
static FOUND: [[AtomicU32; PIECES]; NEEDLES] = [const { [const { AtomicU32::new(0) }; PIECES] }; NEEDLES];

thread_local! {
    static SHOWS: Cell<bool> = const { Cell::new(false) };
}

/// Returns the number of freed blocks with the needle: the number of its most frequent piece.
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
        // SAFETY: the caller owns the block until it is freed, and that happens later. Unwritten bytes may have any
        // value, and are only compared.
        let bytes = unsafe { std::slice::from_raw_parts(block, layout.size()) };
        searcher.search(bytes, bytes.len(), |needle, piece, _| {
            FOUND[needle][piece].fetch_add(1, Ordering::Relaxed);
            show(searcher, needle, piece, layout);
        });
    }
}

/// Prints the stack trace of the call that freed a block.
fn show(searcher: &Searcher, needle: usize, piece: usize, layout: Layout) {
    if std::env::var_os("ENVCONF_MEMORY_SHOW").is_none() || SHOWS.replace(true) {
        return;
    }
    let name = &searcher.needles()[needle].name;
    let trace = std::backtrace::Backtrace::force_capture();
    eprintln!("freed {name}.{piece} in {} bytes\n{trace}", layout.size());
    SHOWS.set(false);
}

// SAFETY: every block comes from the system's allocator, and returns to it with the same layout.
unsafe impl GlobalAlloc for Looking {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the same contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the same contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    // There is no separate `realloc`: a growing block is moved, and `dealloc` frees the old one.
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the same contract, and both allocators are the system's.
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
