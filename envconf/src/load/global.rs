//! The instance of a configuration in a process, loaded on first use.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use once_cell::sync::OnceCell;

use crate::base::Error;

/// One cell for each type, so that each instance of a generic type has its own. A cell is created once, and never
/// removed.
static CELLS: Mutex<Option<HashMap<TypeId, &'static (dyn Any + Send + Sync)>>> = Mutex::new(None);

/// Returns the `T` of the process. Callers wait while it is loaded. After a failure, the next caller tries again.
///
/// # Errors
/// The errors of `load`.
pub(crate) fn get<T: Send + Sync + 'static>(
    load: impl FnOnce() -> Result<T, Error>,
) -> Result<&'static T, Error> {
    cell::<T>().get_or_try_init(load)
}

/// Creates the `T` of the process; returns `None` if it exists.
///
/// # Errors
/// The errors of `load`.
pub(crate) fn init<T: Send + Sync + 'static>(
    load: impl FnOnce() -> Result<T, Error>,
) -> Result<Option<&'static T>, Error> {
    let mut made = false;
    let instance = cell::<T>().get_or_try_init(|| {
        made = true;
        load()
    })?;
    Ok(made.then_some(instance))
}

/// Returns the cell of `T`. Locks the map for the lookup only, because a load may use the instance of another type.
fn cell<T: Send + Sync + 'static>() -> &'static OnceCell<T> {
    let mut cells = CELLS.lock().unwrap_or_else(PoisonError::into_inner);
    let make = || -> &'static (dyn Any + Send + Sync) { Box::leak(Box::new(OnceCell::<T>::new())) };
    let cell = *cells.get_or_insert_default().entry(TypeId::of::<T>()).or_insert_with(make);
    cell.downcast_ref().expect("the cell of a type holds that type")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::Kind;

    struct Of<T>(T);

    #[test]
    fn a_failed_load_is_tried_again_and_a_good_one_stays() {
        let failed = get::<Of<u8>>(|| Err(Error::new(Kind::Io, "not yet"))).map(drop);
        assert_eq!(failed.unwrap_err().kind(), Kind::Io);
        let first = get(|| Ok(Of(1_u8))).unwrap();
        let second = get(|| Ok(Of(2_u8))).unwrap();
        assert!(std::ptr::eq(first, second) && first.0 == 1);
    }

    #[test]
    fn an_instance_is_made_once_and_never_replaced() {
        let failed = init::<Of<u32>>(|| Err(Error::new(Kind::Io, "not yet"))).map(|made| made.is_some());
        assert_eq!(failed.unwrap_err().kind(), Kind::Io);
        assert_eq!(init(|| Ok(Of(1_u32))).unwrap().unwrap().0, 1);
        assert!(init(|| Ok(Of(2_u32))).unwrap().is_none());
        assert_eq!(get(|| Ok(Of(3_u32))).unwrap().0, 1);
    }

    #[test]
    fn a_generic_type_has_an_instance_for_each_parameter() {
        assert_eq!(get(|| Ok(Of(1_u16))).unwrap().0, 1);
        assert_eq!(get(|| Ok(Of("a"))).unwrap().0, "a");
        let within = get(|| get(|| Ok(Of(2_u64))).map(|inner| Of(inner.0 as i64))).unwrap();
        assert_eq!(within.0, 2, "a load may use the instance of another type");
    }

    #[test]
    fn concurrent_callers_load_once() {
        static LOADS: AtomicUsize = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    get(|| Ok(Of(LOADS.fetch_add(1, Ordering::SeqCst) as i128))).unwrap();
                });
            }
        });
        assert_eq!(LOADS.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_load_succeeds_after_a_load_that_panicked() {
        let panicked = std::panic::catch_unwind(|| get::<Of<i8>>(|| panic!("in a validator")).map(drop));
        assert!(panicked.is_err());
        assert_eq!(get(|| Ok(Of(1_i8))).unwrap().0, 1);
    }
}
