//! What the end-to-end tests share: a platform with a running operator, and looks at it from outside.

pub mod core;
pub mod faults;
pub mod security;
