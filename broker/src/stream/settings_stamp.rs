//! Which settings version a frame carries. Pure.

/// The most frames that can be under way when a source is set.
const LONGEST: usize = 4;

/// Holds a settings version back until the frames that may have been exposed before it have come.
///
/// So a frame with a version was exposed after that version began; one with an older version may have been too.
#[derive(Debug, Clone, Copy, Default)]
pub struct SettingsStamp {
    /// The newest version at each of the last frames, the latest first.
    seen: [u32; LONGEST],
}

impl SettingsStamp {
    /// Begins anew: no frame is under way.
    #[must_use]
    pub fn begin(version: u32) -> Self {
        Self { seen: [version; LONGEST] }
    }

    /// The version of a frame that has just come, while `newest` is the newest one and so many frames may be under way.
    pub fn next(&mut self, newest: u32, under_way: usize) -> u32 {
        let stamped = match under_way.min(LONGEST).checked_sub(1) {
            None => newest,
            Some(ago) => self.seen.get(ago).copied().unwrap_or(newest),
        };
        self.seen.rotate_right(1);
        if let Some(latest) = self.seen.first_mut() {
            *latest = newest;
        }
        stamped
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

    fn stamps(under_way: usize, newest: &[u32]) -> Vec<u32> {
        let mut stamp = SettingsStamp::begin(7);
        newest.iter().map(|newest| stamp.next(*newest, under_way)).collect()
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
        assert_eq!(SettingsStamp::begin(9).next(9, 2), 9);
        assert_eq!(SettingsStamp::begin(9).newest(), 9);
    }
}
