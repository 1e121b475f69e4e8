//! Wipes the stack: overwrites the bytes that finished calls left on the stack of a thread.
//!
//! Ciphers keep keys in registers and spill them to the stack, and moving a value leaves its old bytes behind. The code
//! that leaves these bytes cannot wipe them, so this module overwrites the stack afterwards.

use std::hint::black_box;
use std::pin::pin;
use std::task::Poll;

/// Stack depth in bytes that a load reaches, ciphers excluded.
const LOAD: usize = 32 * 1024;

/// Runs `future`, and wipes the stack below its poller after each poll.
pub(crate) async fn wiped<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        let polled: Poll<_> = future.as_mut().poll(cx);
        wipe_deep();
        polled
    })
    .await
}

/// Overwrites the stack below the caller, down to the depth of a load.
pub(crate) fn wipe_deep() {
    wipe::<LOAD>();
}

/// Runs a function that uses at most `DEPTH` bytes of stack, also in unoptimised builds, and then wipes that stack.
///
/// Ciphers and searches in plaintext need this: moving an enum copies all of it, with old stack bytes in its unused
/// part. So a move could copy key material or plaintext to the heap.
pub(crate) fn wiped_after<const DEPTH: usize, T>(cipher: impl FnOnce() -> T) -> T {
    /// Keeps the cipher in a separate stack frame: inlined, it would use the frame of its caller.
    #[inline(never)]
    fn call<T>(cipher: impl FnOnce() -> T) -> T {
        cipher()
    }

    let result = call(cipher);
    wipe::<DEPTH>();
    result
}

#[inline(never)]
fn wipe<const DEPTH: usize>() {
    black_box(&mut [0_u8; DEPTH]);
}
