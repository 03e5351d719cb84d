//! Which settings version a frame carries. Pure.

/// The most frames that can be under way when a source is set.
const LONGEST: usize = 4;

/// Holds a settings version back until the frames that may have been exposed before it have come.
///
/// So a frame with a version was exposed after that version began; one with an older version may have been too, unless the version
/// is [settled](Versions::settled).
#[derive(Debug, Clone, Copy, Default)]
pub struct SettingsStamp {
    /// The newest version at each of the last frames, the latest first.
    seen: [u32; LONGEST],
}

/// The settings versions of a stream, when a frame has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// The newest when the frame was not waited for yet.
    pub before: u32,
    /// The newest now.
    pub newest: u32,
    /// The newest of those that began while no frame was under way, and this one was not triggered: it was exposed after them.
    pub settled: u32,
}

impl SettingsStamp {
    /// Begins anew: no frame is under way.
    #[must_use]
    pub fn begin(version: u32) -> Self {
        Self { seen: [version; LONGEST] }
    }

    /// The version of a frame that has just come, where so many frames may be under way.
    pub fn next(&mut self, versions: Versions, under_way: usize) -> u32 {
        let Versions { before, newest, settled } = versions;
        let stamped = match under_way.min(LONGEST).checked_sub(1) {
            None => before,
            Some(ago) => self.seen.get(ago).copied().unwrap_or(before),
        };
        self.seen.rotate_right(1);
        if let Some(latest) = self.seen.first_mut() {
            *latest = before;
        }
        // Later than the one and not later than the other: versions wrap, and the settled one may be old.
        let is_later = settled.wrapping_sub(stamped) <= newest.wrapping_sub(stamped);
        if is_later { settled } else { stamped }
    }

    /// The newest version at the last frame.
    #[must_use]
    pub fn newest(&self) -> u32 {
        self.seen.first().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The stamps of frames, where nothing is settled since the start.
    fn stamps(under_way: usize, newest: &[u32]) -> Vec<u32> {
        let mut stamp = SettingsStamp::begin(7);
        let versions = |newest: u32| Versions { before: newest, newest, settled: 7 };
        newest.iter().map(|newest| stamp.next(versions(*newest), under_way)).collect()
    }

    #[test]
    fn frames_under_way_keep_the_version_before() {
        assert_eq!(stamps(0, &[7, 8, 8]), [7, 8, 8]);
        assert_eq!(stamps(2, &[7, 8, 8, 8, 8]), [7, 7, 7, 8, 8]);
    }

    #[test]
    fn a_version_with_every_frame_delays_none_of_them_for_ever() {
        assert_eq!(stamps(2, &[8, 9, 10, 11]), [7, 7, 8, 9]);
        assert_eq!(stamps(100, &[8, 9, 10, 11, 12]), [7, 7, 7, 7, 8]);
    }

    #[test]
    fn a_source_that_starts_has_no_frame_under_way() {
        let versions = Versions { before: 9, newest: 9, settled: 3 };
        assert_eq!(SettingsStamp::begin(9).next(versions, 2), 9);
        assert_eq!(SettingsStamp::begin(9).newest(), 9);
    }

    #[test]
    fn a_settled_version_is_the_next_frames() {
        let mut stamp = SettingsStamp::begin(7);
        assert_eq!(stamp.next(Versions { before: 7, newest: 8, settled: 8 }, 2), 8);
        assert_eq!(stamp.next(Versions { before: 9, newest: 9, settled: 8 }, 2), 8, "what is not settled waits");
        assert_eq!(stamp.next(Versions { before: 9, newest: 9, settled: 8 }, 2), 8);
        assert_eq!(stamp.next(Versions { before: 9, newest: 9, settled: 8 }, 2), 9);
    }

    #[test]
    fn versions_wrap_and_an_old_settled_one_does_not_count() {
        let last = u32::MAX;
        let mut stamp = SettingsStamp::begin(last);
        assert_eq!(stamp.next(Versions { before: last, newest: 1, settled: 0 }, 2), 0);
        for (settled, newest) in [(last, 1), (1 << 31, 1), (2, 1), ((1 << 31) + 7, 1)] {
            let mut stamp = SettingsStamp::begin(0);
            assert_eq!(stamp.next(Versions { before: 0, newest, settled }, 0), 0, "{settled}");
        }
    }
}
