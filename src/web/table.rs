//! The table of routes, which can be read back.
//!
//! poem's router does not list its routes. This one keeps the method and pattern of each entry
//! beside it, so that a test can try every route as every role, and notices a new one.

use poem::{Endpoint, IntoEndpoint, Route, RouteMethod};

/// All routes.
#[derive(Default)]
pub struct Table {
    route: Route,
    entries: Vec<RouteEntry>,
}

/// Method and pattern: `("GET", "/deployments/:id")`.
pub type RouteEntry = (&'static str, String);

/// What answers at one address, method by method.
pub struct Methods {
    route: RouteMethod,
    methods: Vec<&'static str>,
}

/// Answers GET.
pub fn get<E>(endpoint: E) -> Methods
where
    E: IntoEndpoint,
    E::Endpoint: 'static,
{
    Methods {
        route: poem::get(endpoint),
        methods: vec!["GET"],
    }
}

/// Answers POST.
pub fn post<E>(endpoint: E) -> Methods
where
    E: IntoEndpoint,
    E::Endpoint: 'static,
{
    Methods {
        route: poem::post(endpoint),
        methods: vec!["POST"],
    }
}

impl Methods {
    /// Answers POST at the same address.
    #[must_use]
    pub fn post<E>(mut self, endpoint: E) -> Self
    where
        E: IntoEndpoint,
        E::Endpoint: 'static,
    {
        self.route = self.route.post(endpoint);
        self.methods.push("POST");
        self
    }
}

impl Table {
    /// With one more address.
    #[must_use]
    pub fn at(mut self, pattern: &str, methods: Methods) -> Self {
        let each = methods.methods.into_iter();
        self.entries
            .extend(each.map(|method| (method, pattern.to_owned())));
        self.route = self.route.at(pattern, methods.route);
        self
    }

    /// With everything below an address, which lists its own.
    #[must_use]
    pub fn nest<E>(mut self, root: &str, endpoint: E) -> Self
    where
        E: IntoEndpoint,
        E::Endpoint: 'static,
        <E::Endpoint as Endpoint>::Output: 'static,
    {
        self.route = self.route.nest(root, endpoint);
        self
    }

    pub fn into_entries(self) -> Vec<RouteEntry> {
        self.entries
    }

    pub fn into_endpoint(self) -> Route {
        self.route
    }
}
