//! Which settings a frame was exposed with.

/// A settings version that frames may have: of a [`Setting`](crate::Setting), of a [`SettingsChange`](crate::SettingsChange), or as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SettingsVersion(pub u32);

impl SettingsVersion {
    /// Whether a frame with this settings version was exposed with it: it has the same, or a later one. Versions wrap.
    #[must_use]
    pub fn is_reached_by(self, settings_version: u32) -> bool {
        settings_version.wrapping_sub(self.0) < 1 << 31
    }
}

impl From<u32> for SettingsVersion {
    fn from(version: u32) -> Self {
        Self(version)
    }
}
