//! The pages, one file per noun: a handler extracts, calls `app`, and hands its struct to the
//! template that the struct is the contract of.

pub mod activity;
pub mod admin;
pub mod api;
pub mod audit;
pub mod calendar;
pub mod deployment;
pub mod diff;
pub mod environment;
mod filter;
mod follow;
pub mod health;
pub mod history;
pub mod locks;
pub mod login;
pub mod login_with;
pub mod overview;
pub mod policy;
pub mod preferences;
pub mod profile;
pub mod project;
pub mod search;
pub mod second_factor;
pub mod sessions;
pub mod tokens;

use askama::Template;
use poem::Response;

use crate::domain::Result;
use crate::web::errors::status_of;
use crate::web::forms::Complaints;
use crate::web::frame::html;

/// A page with a form, under the status of the complaints about it.
fn form_page(page: &impl Template, complaints: &Complaints) -> Result<Response> {
    let mut response = html(page)?;
    if let Some(kind) = complaints.kind() {
        response.set_status(status_of(kind));
    }
    Ok(response)
}
