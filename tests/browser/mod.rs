//! Pages in a real browser (Chromium, driven by chromedriver): what scripts add, and that nothing
//! is missing without them.

mod acts;
mod deployment;
mod finding;
mod kept;
mod logins;
mod outside;
mod policy;
mod rollouts;
mod support;
mod tabs;
mod widths;
