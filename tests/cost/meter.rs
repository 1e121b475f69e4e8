//! Measures the cost of an operation: memory with a counting allocator, steps with allocations and processor time.

#![allow(unsafe_code, reason = "only the trait of allocators is unsafe")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static TOTAL: AtomicUsize = AtomicUsize::new(0);

/// An allocator that counts the bytes of all blocks.
pub struct Counting;

fn grown(by: usize) {
    let now = NOW.fetch_add(by, Ordering::Relaxed) + by;
    PEAK.fetch_max(now, Ordering::Relaxed);
    TOTAL.fetch_add(by, Ordering::Relaxed);
}

// SAFETY: every call is passed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller guarantees the conditions of the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // A moved block counts as new: whether both blocks exist at the same time depends on the system.
        TOTAL.fetch_add(size, Ordering::Relaxed);
        let now = NOW.fetch_add(size, Ordering::Relaxed) + size - layout.size();
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

/// The cost of one run.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Maximum number of bytes in use at the same time, minus those in use at the start.
    pub peak: usize,
    /// Bytes of all blocks that were allocated.
    pub allocated: usize,
    /// Processor time of the whole process.
    pub time: Duration,
}

/// Waits until no other test is running, because allocator and clock measure the whole process.
pub fn alone() -> MutexGuard<'static, ()> {
    static RUNNING: Mutex<()> = Mutex::new(());
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `operation` and returns its cost.
pub fn cost(operation: impl FnOnce()) -> Cost {
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let allocated = TOTAL.load(Ordering::Relaxed);
    let started = processor_time();
    operation();
    Cost {
        peak: PEAK.load(Ordering::Relaxed).saturating_sub(before),
        allocated: TOTAL.load(Ordering::Relaxed) - allocated,
        time: processor_time() - started,
    }
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}
