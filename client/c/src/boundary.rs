//! The boundary to C: the one place where panics stop, and where pointers of the caller are read and written.
//!
//! What can be told is checked: NULL, sizes, text that is no UTF-8. That a pointer leads to memory of its type, which nobody
//! else uses during the call, only the caller can know; the header demands it.

use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::status::{Failure, fb_status, remember};
use crate::types::FB_FOREVER;

/// Runs the body of a function: makes a code of its outcome, also where it panics.
pub fn guard(run: impl FnOnce() -> Result<(), Failure>) -> fb_status {
    // What a panic leaves behind is behind locks that do not mind: see `handles`.
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => fb_status::FB_OK,
        Ok(Err(failure)) => remember(failure),
        Err(panic) => {
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no more is known");
            remember(Failure::new(fb_status::FB_ERROR_INTERNAL, format!("a fault of libframebroker: {said}")))
        }
    }
}

/// As [`guard`], for what ends a handle: where there is none, there is nothing to end, and the last error stays.
pub fn end(handle: usize, run: impl FnOnce() -> Result<(), Failure>) -> fb_status {
    if handle == 0 { fb_status::FB_OK } else { guard(run) }
}

/// A place for a result.
pub fn place<'a, T>(name: &str, place: Option<&'a mut MaybeUninit<T>>) -> Result<&'a mut MaybeUninit<T>, Failure> {
    place.ok_or_else(|| is_null(name))
}

/// A place for a handle, which is NULL unless the call succeeds.
#[derive(Debug)]
pub struct HandlePlace<'a, T>(&'a mut MaybeUninit<*mut T>);

impl<'a, T> HandlePlace<'a, T> {
    pub fn new(name: &str, place: Option<&'a mut MaybeUninit<*mut T>>) -> Result<Self, Failure> {
        let place = self::place(name, place)?;
        place.write(std::ptr::null_mut());
        Ok(Self(place))
    }

    /// Puts a handle, which is a number.
    pub fn put(self, handle: usize) {
        self.0.write(std::ptr::without_provenance_mut(handle));
    }
}

fn is_null(name: &str) -> Failure {
    Failure::argument(format!("{name} is NULL"))
}

/// A text of the caller; `None` for NULL.
///
/// # Safety
/// The pointer is NULL or leads to a text that ends with a NUL and does not change during `'a`.
#[expect(unsafe_code, reason = "texts come by pointer")]
pub unsafe fn text<'a>(name: &str, text: *const c_char) -> Result<Option<&'a str>, Failure> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller vouches for a text that ends with a NUL and stays as it is.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map(Some).map_err(|error| Failure::argument(format!("{name} is no UTF-8: {error}")))
}

/// A text of the caller that may not be NULL.
///
/// # Safety
/// As for [`text`].
#[expect(unsafe_code, reason = "texts come by pointer")]
pub unsafe fn needed_text<'a>(name: &str, text: *const c_char) -> Result<&'a str, Failure> {
    // SAFETY: the caller vouches for it.
    unsafe { self::text(name, text) }?.ok_or_else(|| is_null(name))
}

/// A list of the caller; empty for NULL without elements.
///
/// # Safety
/// Unless it is NULL the pointer leads to `count` elements that do not change during `'a`.
#[expect(unsafe_code, reason = "lists come by pointer")]
pub unsafe fn list<'a, T>(name: &str, list: *const T, count: usize) -> Result<&'a [T], Failure> {
    if count == 0 {
        return Ok(&[]);
    }
    check_list(name, list, count)?;
    // SAFETY: the caller vouches for so many elements that stay as they are; the pointer is aligned and not NULL, and the
    // count so small that their size fits an `isize`.
    Ok(unsafe { std::slice::from_raw_parts(list, count) })
}

/// Places of the caller's for a list of plain values; empty for NULL without elements.
///
/// # Safety
/// Unless it is NULL the pointer leads to `count` elements that nobody else uses during `'a`.
#[expect(unsafe_code, reason = "lists come by pointer")]
pub unsafe fn places<'a, T>(name: &str, list: *mut T, count: usize) -> Result<&'a mut [MaybeUninit<T>], Failure> {
    if count == 0 {
        return Ok(&mut []);
    }
    check_list(name, list, count)?;
    // SAFETY: as in `list`; nobody else uses them, and they need not be values yet.
    Ok(unsafe { std::slice::from_raw_parts_mut(list.cast(), count) })
}

fn check_list<T>(name: &str, list: *const T, count: usize) -> Result<(), Failure> {
    match (list.is_null(), count) {
        (true, _) => Err(is_null(name)),
        (false, ..=LIST_ELEMENTS) if list.is_aligned() => Ok(()),
        (false, ..=LIST_ELEMENTS) => Err(Failure::argument(format!("{name} is not aligned as its elements must be"))),
        _ => Err(Failure::argument(format!("{name}: {count} elements are more than {LIST_ELEMENTS}"))),
    }
}

/// More than anyone lists.
const LIST_ELEMENTS: usize = 1024;

/// A structure of the header that begins with `size_t struct_size`.
///
/// # Safety
/// `repr(C)`, with a `usize` as the first field.
#[expect(unsafe_code, reason = "what is promised here, reading by pointer relies on")]
pub unsafe trait Sized_: Copy {
    /// Its name in C.
    const NAME: &'static str;
}

/// A structure of the header that is read: one for which every pattern of bits is a value.
///
/// # Safety
/// All fields are integers or raw pointers.
#[expect(unsafe_code, reason = "what is promised here, reading by pointer relies on")]
pub unsafe trait Options: Sized_ {
    /// The sizes it had before it grew, at its end. They stay allowed; what such a structure does not have is 0.
    const EARLIER: &'static [usize] = &[];
}

/// Reads options of the caller; `None` for NULL.
///
/// # Safety
/// The pointer is NULL or leads to a structure as large as its `struct_size` says.
#[expect(unsafe_code, reason = "options come by pointer")]
pub unsafe fn options<T: Options>(options: *const T) -> Result<Option<T>, Failure> {
    if options.is_null() {
        return Ok(None);
    }
    // SAFETY: it is not NULL, and the caller vouches for the rest.
    let size = unsafe { check_size(options, T::EARLIER) }?;
    let mut read = MaybeUninit::<T>::zeroed();
    // SAFETY: the structure is that large, as it says itself, and ours is no smaller: `check_size` lets only its size and
    // earlier ones pass.
    unsafe { std::ptr::copy_nonoverlapping(options.cast::<u8>(), read.as_mut_ptr().cast::<u8>(), size) };
    // SAFETY: any bits are a value (`Options`).
    Ok(Some(unsafe { read.assume_init() }))
}

/// A place for a structure of the caller's.
#[derive(Debug)]
pub struct Place<T>(*mut T);

impl<T: Sized_> Place<T> {
    /// Checks the place.
    ///
    /// # Safety
    /// The pointer is NULL or leads to a structure as large as its `struct_size` says, which nobody else uses while this
    /// lives.
    #[expect(unsafe_code, reason = "results go by pointer")]
    pub unsafe fn new(place: *mut T) -> Result<Self, Failure> {
        if place.is_null() {
            return Err(Failure::argument(format!("the place for {} is NULL", T::NAME)));
        }
        // SAFETY: it is not NULL, and the caller vouches for the rest.
        unsafe { check_size(place, &[]) }?;
        Ok(Self(place))
    }

    /// Checks a place that may be left out.
    ///
    /// # Safety
    /// As for [`Place::new`].
    #[expect(unsafe_code, reason = "results go by pointer")]
    pub unsafe fn or_none(place: *mut T) -> Result<Option<Self>, Failure> {
        if place.is_null() {
            return Ok(None);
        }
        // SAFETY: the caller vouches for it.
        unsafe { Self::new(place) }.map(Some)
    }

    #[expect(unsafe_code, reason = "results go by pointer")]
    pub fn put(self, value: T) {
        // SAFETY: `new` was promised a structure of its size, which was found to be ours, used by nobody else.
        unsafe { self.0.write_unaligned(value) };
    }
}

/// Places for a list of structures, and one for how many there are. The first one's `struct_size` counts for all.
#[derive(Debug)]
pub struct Places<'a, T> {
    first: *mut T,
    capacity: usize,
    count: &'a mut MaybeUninit<usize>,
}

impl<'a, T: Sized_> Places<'a, T> {
    /// Checks the places.
    ///
    /// # Safety
    /// With a capacity of 0 anything; else as for [`Place::new`], for so many structures beside each other.
    #[expect(unsafe_code, reason = "results go by pointer")]
    pub unsafe fn new(
        first: *mut T,
        capacity: usize,
        count: Option<&'a mut MaybeUninit<usize>>,
    ) -> Result<Self, Failure> {
        let count = place("count", count)?;
        if capacity > 0 {
            // SAFETY: the caller vouches for the first as for the others.
            unsafe { Place::new(first) }?;
        }
        Ok(Self { first, capacity, count })
    }

    /// Fills as many as there are, and says how many values there are.
    #[expect(unsafe_code, reason = "results go by pointer")]
    pub fn put(self, values: impl ExactSizeIterator<Item = T>) {
        self.count.write(values.len());
        for (at, value) in values.take(self.capacity).enumerate() {
            // SAFETY: below the capacity that `new` was promised.
            let place = unsafe { self.first.add(at) };
            Place(place).put(value);
        }
    }
}

/// The size of a structure, if it is one that this library knows: another one is not touched.
///
/// # Safety
/// The pointer leads to a structure as large as its `struct_size` says.
#[expect(unsafe_code, reason = "sizes stand in what a pointer leads to")]
unsafe fn check_size<T: Sized_>(structure: *const T, earlier: &[usize]) -> Result<usize, Failure> {
    // SAFETY: a structure begins with its size (`Sized_`), and the caller vouches for that much.
    let size = unsafe { structure.cast::<usize>().read_unaligned() };
    if size == size_of::<T>() || (size < size_of::<T>() && earlier.contains(&size)) {
        return Ok(size);
    }
    Err(Failure::argument(format!(
        "struct_size of {0} is {size}, not {1}: begin with `{0} x = FB_INIT({0});`, and use a header and a library of matching versions",
        T::NAME,
        size_of::<T>()
    )))
}

/// How long to wait; `None` is for ever.
pub fn timeout(timeout_ms: i64) -> Result<Option<Duration>, Failure> {
    time("timeout_ms", timeout_ms)
}

/// As [`timeout`], of another name.
pub fn time(name: &str, ms: i64) -> Result<Option<Duration>, Failure> {
    match (ms, u64::try_from(ms)) {
        (FB_FOREVER, _) => Ok(None),
        (_, Ok(ms)) => Ok(Some(Duration::from_millis(ms))),
        (_, Err(_)) => Err(Failure::argument(format!("{name} is {ms}, not 0 or more or FB_FOREVER"))),
    }
}

/// A text for a fixed place in a structure: cut between characters, and ended with a NUL.
pub fn fixed<const N: usize>(text: &str) -> [c_char; N] {
    let mut place = [0; N];
    let end = text.floor_char_boundary(N.saturating_sub(1));
    for (to, from) in place.iter_mut().zip(text.as_bytes().iter().take(end)) {
        *to = from.cast_signed();
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::fb_last_error;

    #[test]
    #[expect(unsafe_code, reason = "reads as C would")]
    fn a_panic_is_an_error_with_its_text() {
        let status = guard(|| panic!("number {}", 7));
        assert_eq!(status, fb_status::FB_ERROR_INTERNAL);
        // SAFETY: the last error is a text that ends with a NUL, and stays until the next call.
        let text = unsafe { CStr::from_ptr(fb_last_error()) }.to_str().unwrap();
        assert!(text.contains("number 7"), "{text}");
    }

    #[test]
    fn texts_are_cut_between_characters_and_ended() {
        let bytes = |text: [c_char; 6]| text.map(c_char::cast_unsigned);
        assert_eq!(bytes(fixed("abc")), *b"abc\0\0\0");
        assert_eq!(bytes(fixed("abcdefg")), *b"abcde\0");
        assert_eq!(bytes(fixed("abcdü")), *b"abcd\0\0");
    }
}
