//! The outcome of trying a tenant's credentials.

/// What one trial showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It is as it should be.
    Passed,
    /// It is not: the sentence says what was found.
    Failed(String),
    /// The trial could not be made: the sentence says why. It is no pass.
    Inconclusive(String),
}

impl Proof {
    /// The worse of the two: a failure outweighs an inconclusive trial, which outweighs a pass.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Failed(why), _) | (_, Self::Failed(why)) => Self::Failed(why),
            (Self::Inconclusive(why), _) | (_, Self::Inconclusive(why)) => Self::Inconclusive(why),
            (Self::Passed, Self::Passed) => Self::Passed,
        }
    }
}
