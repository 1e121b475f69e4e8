//! What calls leave on a thread's stack when they have returned: overwritten, as far down as a load goes.
//!
//! Ciphers spread their keys over registers and spill them, and a value that is moved leaves its bytes where it was.
//! None of that can be wiped by whoever wrote it; what can be done is to write over it later.

use std::hint::black_box;
use std::pin::pin;
use std::task::Poll;

/// So far down goes a load, but for its ciphers.
const LOAD: usize = 32 * 1024;

/// What `future` gives; after each of its steps the stack is wiped below whoever polls it.
pub(crate) async fn wiped<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        let polled: Poll<_> = future.as_mut().poll(cx);
        wipe_deep();
        polled
    })
    .await
}

/// Overwrites the stack below the caller, as far down as a load goes.
pub(crate) fn wipe_deep() {
    wipe::<LOAD>();
}

/// What a function gives that goes at most `DEPTH` bytes down, in builds without optimisation too; the stack that it
/// used is wiped at once.
///
/// For ciphers: what they leave there would be copied further, for a value that does not fill its enum is moved together
/// with whatever was there before, to the heap too.
pub(crate) fn wiped_after<const DEPTH: usize, T>(cipher: impl FnOnce() -> T) -> T {
    /// A frame of its own, for a cipher that is inlined into its caller uses the caller's.
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
