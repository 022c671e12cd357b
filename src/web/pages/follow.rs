//! Where a request for a deployment leads.

use poem::Response;

use crate::app::deployments::Requested;
use crate::domain::Result;
use crate::web::flash::Flash;
use crate::web::frame::go_to;
use crate::web::urls;
use crate::web::visitor::Visitor;

/// To the page of the deployment that was requested.
///
/// # Errors
/// Of the session.
pub async fn follow(visitor: &Visitor, requested: Requested) -> Result<Response> {
    if let Requested::Known(id) = requested {
        let text = format!("Already requested as deployment {id}.");
        visitor.flash(Flash::warning(text)).await?;
    }
    Ok(go_to(&urls::deployment(requested.id())))
}
