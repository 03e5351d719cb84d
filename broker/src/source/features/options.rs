//! What the broker's options set on a camera before it starts, by the rules that hold for clients too.

use framebroker_protocol::message::{FeatureKind, FeatureValue};
use framebroker_protocol::{FeatureName, PixelFormat};

use super::{FeatureError, Features, check};
use crate::source::SourceError;

/// Sets a feature from a text. A command runs with an empty text, `1`, `true` or `execute`.
///
/// # Errors
/// [`SourceError::Invalid`] says what would do, [`SourceError::Driver`] that the camera failed.
pub fn set(features: &mut dyn Features, feature: &str, value: &str) -> Result<(), SourceError> {
    let value = value.trim();
    set_from_text(features, feature, value).map_err(|error| match error {
        FeatureError::Failed(text) => SourceError::Driver(format!("setting {feature}={value:?}: {text}")),
        error => SourceError::Invalid(error.to_string()),
    })
}

/// Sets features in their order.
///
/// # Errors
/// Those of [`set`].
pub fn set_all(features: &mut dyn Features, settings: &[(String, String)]) -> Result<(), SourceError> {
    settings.iter().try_for_each(|(feature, value)| set(features, feature, value))
}

/// Sets pixel format and size, where they are asked for.
///
/// # Errors
/// Those of [`set`]; or the format has no name.
pub fn set_geometry(
    features: &mut dyn Features,
    pixel_format: Option<PixelFormat>,
    width: Option<u32>,
    height: Option<u32>,
) -> Result<(), SourceError> {
    if let Some(format) = pixel_format {
        let name = format.name().ok_or_else(|| {
            SourceError::Invalid(format!("pixel format {:#010x} has no name that could be set", format.code()))
        })?;
        set(features, "PixelFormat", name)?;
    }
    for (feature, pixels) in [("Width", width), ("Height", height)] {
        if let Some(pixels) = pixels {
            set(features, feature, &pixels.to_string())?;
        }
    }
    Ok(())
}

fn set_from_text(features: &mut dyn Features, feature: &str, value: &str) -> Result<(), FeatureError> {
    let name: FeatureName = feature.parse().map_err(|error| FeatureError::Unknown(format!("{error}")))?;
    let Some(found) = features.read(&name)? else { return Err(check::unknown(&name, &features.names()?)) };
    check::access(&found)?;
    match found.kind {
        FeatureKind::Command if matches!(value, "" | "1" | "true" | "execute") => features.execute(&name),
        FeatureKind::Command => Err(FeatureError::Invalid(format!(
            "{name}={value:?} is not possible: it is a command, which takes nothing, as in \"{name}=\""
        ))),
        _ => features.write(&name, &check::value(&found, &FeatureValue::from(value))?),
    }
}

#[cfg(test)]
mod tests {
    use framebroker_protocol::Text;
    use framebroker_protocol::message::{Access, Feature, IntegerRange, Visibility};

    use super::*;

    /// A camera with a width and a command, which notes what is done.
    #[derive(Default)]
    struct Noted(Vec<String>);

    impl Features for Noted {
        fn names(&mut self) -> Result<Vec<FeatureName>, FeatureError> {
            Ok(["Width", "Reset"].map(|name| name.parse().unwrap()).to_vec())
        }

        fn read(&mut self, name: &FeatureName) -> Result<Option<Feature>, FeatureError> {
            let kind = match name.as_str() {
                "Width" => FeatureKind::Integer(IntegerRange { min: 4, max: 64, increment: 4, unit: Text::cut("px") }),
                "Reset" => FeatureKind::Command,
                "Broken" => return Err(FeatureError::Failed("silent".to_owned())),
                _ => return Ok(None),
            };
            let (access, value) = (Access::ReadWrite, FeatureValue::None);
            let [display_name, description] = [Text::cut(""), Text::cut("")];
            let visibility = Visibility::Unknown;
            Ok(Some(Feature { name: name.clone(), display_name, description, visibility, access, value, kind }))
        }

        fn write(&mut self, name: &FeatureName, value: &FeatureValue) -> Result<(), FeatureError> {
            self.0.push(format!("{name}={value}"));
            Ok(())
        }

        fn execute(&mut self, name: &FeatureName) -> Result<(), FeatureError> {
            self.0.push(name.to_string());
            Ok(())
        }
    }

    #[test]
    fn texts_are_set_by_the_rules_for_clients() {
        let mut camera = Noted::default();
        set_all(&mut camera, &[("Width".to_owned(), " 0x10 ".to_owned()), ("Reset".to_owned(), String::new())])
            .unwrap();
        set_geometry(&mut camera, None, Some(32), None).unwrap();
        assert_eq!(camera.0, ["Width=16", "Reset", "Width=32"]);
        for (feature, value, advice) in [
            ("Width", "3", "4 to 64 in steps of 4"),
            ("Widht", "4", "the nearest is Width"),
            ("Reset", "later", "takes nothing"),
        ] {
            let error = set(&mut camera, feature, value).unwrap_err();
            assert!(matches!(&error, SourceError::Invalid(text) if text.contains(advice)), "{error}");
        }
        let error = set(&mut camera, "Broken", "1").unwrap_err();
        assert!(matches!(&error, SourceError::Driver(text) if text.contains("silent")), "{error}");
    }
}
