//! Where in an object something stands: as people write it, and as its field managers' sets do.

use serde_json::Value;
use std::fmt;

/// Maps whose keys people choose: they are written in brackets.
const CHOSEN_KEYS: [&str; 4] = ["labels", "annotations", "matchLabels", "nodeSelector"];

/// One step down into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Into a field of a map.
    Field(String),
    /// Into a list, to the item at this place.
    Index(usize),
    /// Into a list, to the item of this name.
    Named(String),
}

/// A way down into a value, from its root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(pub Vec<Segment>);

impl Path {
    /// The way down through these fields.
    pub fn of<'a>(fields: impl IntoIterator<Item = &'a str>) -> Self {
        let field = |name: &str| Segment::Field(name.to_owned());
        Self(fields.into_iter().map(field).collect())
    }

    /// One step further.
    #[must_use]
    pub fn then(&self, segment: Segment) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment);
        Self(segments)
    }

    /// What stands there in an object, if anything does.
    pub fn look<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        let mut segments = self.0.iter();
        segments.try_fold(object, |value, segment| segment.step(value))
    }

    /// Whether it leads through these fields first.
    pub fn starts_with(&self, fields: &[&str]) -> bool {
        self.0.len() >= fields.len()
            && fields
                .iter()
                .zip(&self.0)
                .all(|(field, segment)| matches!(segment, Segment::Field(name) if name == field))
    }
}

impl Segment {
    /// What stands one step down, if anything does.
    pub fn step<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        match self {
            Self::Field(name) => value.get(name),
            Self::Index(index) => value.get(index),
            Self::Named(name) => value
                .as_array()?
                .iter()
                .find(|item| item["name"] == name.as_str()),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chosen = false;
        for (place, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Field(name) if chosen || name.contains(['.', '/']) => {
                    write!(f, "[{name}]")?;
                }
                Segment::Field(name) if place == 0 => f.write_str(name)?,
                Segment::Field(name) => write!(f, ".{name}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Named(name) => write!(f, "[{name}]")?,
            }
            chosen =
                matches!(segment, Segment::Field(name) if CHOSEN_KEYS.contains(&name.as_str()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_people_do() {
        let rules = Path::of(["spec", "rules"]).then(Segment::Index(0));
        let rows = [
            (Path::of(["spec", "hard", "pods"]), "spec.hard.pods"),
            (
                Path::of(["spec", "hard", "requests.cpu"]),
                "spec.hard[requests.cpu]",
            ),
            (Path::of(["data", "ca.crt"]), "data[ca.crt]"),
            (
                Path::of(["metadata", "labels", "eoffice.gdcc.go.th/tenant"]),
                "metadata.labels[eoffice.gdcc.go.th/tenant]",
            ),
            (
                Path::of(["metadata", "annotations", "x"]),
                "metadata.annotations[x]",
            ),
            (
                rules.then(Segment::Field("host".into())),
                "spec.rules[0].host",
            ),
            (
                Path::of(["secrets"])
                    .then(Segment::Named("another".into()))
                    .then(Segment::Field("name".into())),
                "secrets[another].name",
            ),
            (Path::default(), ""),
        ];
        for (path, written) in rows {
            assert_eq!(path.to_string(), written);
        }
    }
}
