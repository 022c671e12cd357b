//! Pages in a real browser (Chromium, driven by chromedriver): what scripts add, and that nothing
//! is missing without them.

mod deployment;
mod finding;
mod kept;
mod rollouts;
mod support;
mod tabs;
mod widths;
