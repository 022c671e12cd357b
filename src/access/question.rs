//! What casbin is asked.

/// A question about one name of an actor.
pub(super) struct Question<'a> {
    /// A user, group or role, as policy lines write it.
    pub subject: &'a str,
    /// The project, [`ANY`] for the installation.
    pub project: &'a str,
    /// The environment, [`ANY`] for the project as a whole.
    pub environment: &'a str,
    /// The action, as policy lines write it.
    pub action: &'a str,
    /// The names of the open windows, with blanks between them.
    pub open: &'a str,
}
