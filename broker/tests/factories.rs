//! Every strategy of the buffer factory keeps the contract of the trait. Goal and method: one suite, run over each.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "what cannot be unwrapped or indexed fails the test")]

#[path = "../examples/file_backing/strategy.rs"]
mod strategy;

#[path = "../../tests/src/huge_pages.rs"]
mod huge_pages;

use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use framebroker::factory::{
    BufferFactory, FactoryError, HugePage, HugeTlb, Memfd, Placement, Posix, Registry, Segment, Sharing,
    remove_leftovers,
};
use framebroker_protocol::shm::SharedObject;
use framebroker_protocol::{Backing, BrokerId, SegmentIndex};
use huge_pages::HugePages;

const BYTES: usize = 3 * 4096 + 5;

#[test]
fn memfd_keeps_the_contract() {
    conforms(&|placement| Memfd::new(Registry::new(placement)));
}

#[test]
fn posix_keeps_the_contract() {
    let id = BrokerId(u64::from(std::process::id()) << 32);
    conforms(&|placement| Posix::new(Registry::new(placement), id, "a-b.c".parse().unwrap()));
    let left = names(&format!("framebroker-{:016x}", id.0));
    assert!(left.is_empty(), "{left:?}");
}

/// Goal: an object is never taken for a leftover of a dead broker while its own lives, not even while it is made. Method: a
/// thread looks for leftovers all the time.
#[test]
fn no_living_object_is_taken_for_a_leftover() {
    let id = BrokerId((u64::from(std::process::id()) << 32) + 1);
    let factory = Posix::new(Registry::default(), id, "living".parse().unwrap());
    let ours = format!("framebroker-{:016x}", id.0);
    let (made, removals) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|threads| {
        threads.spawn(|| {
            while !made.load(Ordering::Relaxed) {
                let removed = remove_leftovers().iter().filter(|name| name.starts_with(&ours)).count();
                removals.fetch_add(u32::try_from(removed).unwrap(), Ordering::Relaxed);
            }
        });
        for _ in 0..2000 {
            let segment = factory.allocate(BYTES).map(|segment| (segment.context(), factory.find(segment.context())));
            let alive = segment.as_ref().is_ok_and(|(_, found)| {
                found.as_ref().is_some_and(|found| Path::new(found.info().path.as_str()).exists())
            });
            if !alive {
                made.store(true, Ordering::Relaxed);
            }
            assert!(alive, "{segment:?}");
            factory.free(segment.unwrap().0).unwrap();
        }
        made.store(true, Ordering::Relaxed);
    });
    eprintln!("{} were removed while they were made, and made anew", removals.into_inner());
    assert!(names(&ours).is_empty());
}

#[test]
fn a_strategy_from_outside_keeps_the_contract() {
    let directory = std::env::temp_dir().join(format!("framebroker-factories-{}", std::process::id()));
    std::fs::create_dir(&directory).unwrap();
    conforms(&|placement| strategy::Files::new(Registry::new(placement), directory.clone(), "cam0".parse().unwrap()));
    // Fails where a file is left.
    std::fs::remove_dir(&directory).unwrap();
}

/// Sets huge pages aside for the time of the test, where it may.
#[test]
fn hugetlb_keeps_the_contract() {
    const PAGES: usize = 8;
    let factory = |placement| HugeTlb::new(Registry::new(placement), HugePage::Mega2);
    let pages = match HugePages::more(2048, PAGES) {
        Ok(pages) => pages,
        Err(reason) => return eprintln!("skipped: no huge pages of 2 MiB can be set aside here: {reason}"),
    };
    conforms(&factory);
    let huge = factory(Placement::default());
    let (segment, _writable) = huge.allocate_at(SegmentIndex::new(3).unwrap(), Backing(1), BYTES).unwrap();
    assert_eq!((segment.mapped_bytes(), segment.bytes()), (2 << 20, BYTES));
    assert!(segment.address().is_multiple_of(2 << 20));
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let at = maps.find("framebroker-segment-3").unwrap();
    assert!(maps[at..].contains("KernelPageSize:     2048 kB"), "{}", &maps[at..at + 500]);
    // One more than there are: it is said beforehand, and when it happens.
    let text = huge.foresee(1 << 20, BYTES).unwrap_err().to_string();
    assert!(text.contains("/proc/sys/vm/nr_hugepages") && text.contains("1048576 huge pages"), "{text}");
    let failed = std::iter::from_fn(|| Some(huge.allocate(64 << 20))).take(1 << 10).find_map(Result::err);
    let text = failed.expect("not so many").to_string();
    assert!(text.contains("32 huge pages") && text.contains("set at least"), "{text}");
    drop(pages);
}

#[test]
fn huge_pages_that_are_missing_are_asked_for() {
    let huge = HugeTlb::new(Registry::default(), HugePage::Giga1);
    let text = huge.foresee(1 << 20, BYTES).unwrap_err().to_string();
    assert!(text.contains("1 GiB") && (text.contains("nr_hugepages") || text.contains("has no huge pages")), "{text}");
}

/// The contract.
fn conforms<F: BufferFactory>(make: &dyn Fn(Placement) -> F) {
    gives_out_segments(&make(Placement::default()));
    lets_the_ring_choose(&make(Placement::default()));
    for align in [64, 4096, 1 << 16, 2 << 20] {
        let factory = make(Placement { align, ..Placement::default() });
        let mut writable = factory.allocate(BYTES).unwrap();
        assert!(writable.as_mut_ptr().addr().is_multiple_of(align), "{align}");
        assert!(factory.find(1000).unwrap().info().align as usize >= align);
    }
    let placed = make(Placement { lock: true, numa_node: Some(0), ..Placement::default() });
    let _locked = placed.allocate(BYTES).unwrap();
}

fn gives_out_segments<F: BufferFactory>(factory: &F) {
    assert_eq!(factory.stats().active_buffers(), 0);
    let mut all: Vec<_> = (0..4).map(|_| factory.allocate(BYTES).unwrap()).collect();
    assert_eq!(all.iter().map(|segment| segment.context()).collect::<Vec<_>>(), [1000, 1001, 1002, 1003]);
    for segment in &mut all {
        assert!(segment.len() >= BYTES);
        assert!(segment.bytes_mut().iter().all(|byte| *byte == 0), "new memory is zero");
    }
    all[2].bytes_mut().fill(7);
    let found = factory.find(1002).unwrap();
    assert_eq!((found.context(), found.bytes()), (1002, BYTES));
    assert!(found.mapped_bytes().is_multiple_of(factory.page_bytes()) && found.mapped_bytes() >= BYTES);
    only_the_owner_writes(factory.sharing(), &found);
    assert!(factory.find(1004).is_none() && factory.find(999).is_none() && factory.find(u32::MAX).is_none());

    let (each, mapped) = (BYTES as u64, found.mapped_bytes() as u64);
    drop(found);
    let stats = factory.stats();
    assert_eq!((stats.total_allocated, stats.total_freed, stats.active_buffers()), (4, 0, 4));
    assert_eq!((stats.current_bytes, stats.peak_bytes, stats.mapped_bytes), (4 * each, 4 * each, 4 * mapped));
    assert_eq!(stats.allocate.count, 4);

    // The lowest context that is free comes next, as another object.
    let old = factory.find(1001).unwrap().backing();
    drop(all.remove(1));
    factory.free(1001).unwrap();
    assert!(factory.find(1001).is_none());
    assert!(matches!(factory.free(1001), Err(FactoryError::UnknownContext { context: 1001 })));
    assert_eq!(factory.stats().total_freed, 1);
    let mut anew = factory.allocate(BYTES).unwrap();
    assert!(anew.context() == 1001 && anew.backing() != old);
    assert!(anew.bytes_mut().iter().all(|byte| *byte == 0), "memory that was used before is zero");

    // What is still in use stays, and is freed with its last use.
    factory.free(1001).unwrap();
    anew.bytes_mut().fill(1);
    assert_eq!(factory.stats().total_freed, 1);
    drop(anew);
    drop(all);
    for context in [1000, 1002, 1003] {
        factory.free(context).unwrap();
    }
    let stats = factory.stats();
    assert_eq!((stats.total_allocated, stats.total_freed, stats.active_buffers()), (5, 5, 0));
    assert_eq!((stats.current_bytes, stats.peak_bytes, stats.mapped_bytes), (0, 4 * each, 0));
}

fn lets_the_ring_choose<F: BufferFactory>(factory: &F) {
    let index = SegmentIndex::new(7).unwrap();
    let (segment, writable) = factory.allocate_at(index, Backing(1), BYTES).unwrap();
    assert_eq!(factory.find(1007).unwrap().backing(), Backing(1));
    assert!(matches!(factory.free(1007), Err(FactoryError::InUse { context: 1007 })));
    // The next object at an index may come before the last is gone.
    let (next, _writable) = factory.allocate_at(index, Backing(2), BYTES).unwrap();
    drop((segment, writable));
    assert_eq!(factory.find(1007).unwrap().backing(), Backing(2));
    drop((next, _writable));
    assert!(factory.find(1007).is_none());
    assert_eq!((factory.stats().total_allocated, factory.stats().total_freed), (2, 2));
}

/// No route leads from what others are handed to a writable mapping, or only one through the file's mode.
fn only_the_owner_writes(sharing: Sharing, segment: &Segment) {
    match sharing {
        Sharing::Sealed => {
            let fd = segment.descriptor().unwrap();
            assert!(segment.info().path.as_str().is_empty());
            let again = std::fs::OpenOptions::new()
                .read(true)
                .write(true)
                .open(format!("/proc/self/fd/{}", fd.as_raw_fd()))
                .unwrap();
            for object in [fd.try_clone_to_owned().unwrap(), again.into()] {
                let object = SharedObject::received(object, BYTES).unwrap();
                assert!(object.map_writable().is_err(), "a sealed object cannot be mapped for writing");
                assert!(nix::unistd::write(object.as_fd(), &[1]).is_err());
                assert_eq!(read_first(&object), 7);
            }
        }
        Sharing::Named => {
            assert!(segment.descriptor().is_none());
            let info = segment.info();
            let path = Path::new(info.path.as_str());
            let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(path).unwrap());
            assert_eq!(mode & 0o777, 0o600, "nobody but the owner may open it");
            assert_eq!(read_first(&SharedObject::open(path, segment.mapped_bytes()).unwrap()), 7);
        }
    }
}

/// The first byte, as a consumer's mapping shows it.
#[expect(unsafe_code, reason = "a test looks at memory as another process would")]
fn read_first(object: &SharedObject) -> u8 {
    let mapping = object.map_read_only().unwrap();
    // SAFETY: the mapping has that byte, which nobody writes now.
    unsafe { mapping.as_ptr().read_volatile() }
}

fn names(prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/dev/shm").unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(prefix)).collect()
}
