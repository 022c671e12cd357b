//! Pages in a real browser (Chromium, driven by chromedriver): what scripts add, and that nothing
//! is missing without them.

mod acts;
mod deployment;
mod finding;
mod kept;
mod rollouts;
#[allow(dead_code, reason = "the hands of a person, of which not each is needed now")]
mod support;
mod tabs;
mod widths;
