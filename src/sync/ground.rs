//! Which directories of a server an environment's deployments change, and whether two environments
//! would change each other's.
//!
//! In place, that is the target and everything in it. With releases it is the link, the directory of
//! releases beside it and the stores of shared and excluded paths. One directory inside another is as
//! bad as the same one twice: a deployment to the outer deletes what is not in its tree. It is
//! allowed only when the outer environment excludes or shares the path of the inner one. With
//! releases a pattern is not enough: the next switch leaves behind everything that is not stored. In the
//! directories that we derive from names, of releases and of stores, nobody else has anything. Environments of
//! one project have their releases and their shared paths there together; but the store of one target may be
//! called as that of the project's shared paths, and then both must keep different paths in it.
//!
//! Paths are compared as they are written. Only the server knows where `~` is, so a path with `~` is
//! compared only with other `~` paths of the same user, until [`whereabouts`] has asked the server where they
//! and the links on their way lead to.

mod whereabouts;

pub use self::whereabouts::whereabouts;
use super::error::Error;
use super::layout::Layout;
use super::stored::Stored;
use crate::domain::{Environment, Project, SyncMethod};

/// What one environment changes on each of its servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ground {
    user: String,
    layout: Layout,
}

/// Two environments that would change each other's files, as seen from the first of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overlap {
    /// Both change this directory.
    Same(String),
    /// The first has a directory inside one of the other's.
    Inside {
        /// Of the first.
        own: String,
        /// Of the other.
        around: String,
    },
    /// The other way round.
    Around {
        /// Of the first.
        own: String,
        /// Of the other.
        inside: String,
    },
}

/// A directory that deployments change.
struct Place {
    path: String,
    role: Role,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Target,
    Releases,
    Shared,
    Kept,
}

impl Ground {
    /// The ground of an environment.
    ///
    /// # Errors
    /// [`Error::Pattern`] for options that make no sense.
    pub fn of(project: &Project, environment: &Environment) -> Result<Self, Error> {
        Ok(Self {
            user: environment.remote_user.clone(),
            layout: Layout::new(project, environment)?,
        })
    }

    /// Whether this and `other`, on one server, would change each other's files.
    pub fn overlap(&self, other: &Self) -> Option<Overlap> {
        let in_home = |one: &Self| one.layout.target.as_str().starts_with('~');
        let comparable = match (in_home(self), in_home(other)) {
            (false, false) => true,
            (true, true) => self.user == other.user,
            _ => false,
        };
        if !comparable {
            return None;
        }
        let (mine, theirs) = (self.places(), other.places());
        let mut pairs = mine
            .iter()
            .flat_map(|own| theirs.iter().map(move |their| (own, their)));
        pairs.find_map(|(own, their)| {
            if own.path == their.path {
                return self.same(own, other, their.role);
            }
            if let Some(below) = below(&own.path, &their.path) {
                return (!other.leaves_alone(their.role, below)).then(|| Overlap::Inside {
                    own: own.path.clone(),
                    around: their.path.clone(),
                });
            }
            let below = below(&their.path, &own.path)?;
            (!self.leaves_alone(own.role, below)).then(|| Overlap::Around {
                own: own.path.clone(),
                inside: their.path.clone(),
            })
        })
    }

    /// What both change where one directory is `own` to us and has the role `theirs` in `other`.
    fn same(&self, own: &Place, other: &Self, theirs: Role) -> Option<Overlap> {
        let is_one_project = self.layout.project == other.layout.project;
        let path = match (own.role, theirs) {
            (Role::Releases, Role::Releases) | (Role::Shared, Role::Shared) if is_one_project => None,
            (Role::Shared, Role::Kept) | (Role::Kept, Role::Shared) if is_one_project => {
                let in_theirs: Vec<&Stored> = other.stored(theirs).collect();
                let nests = |one: &Stored| {
                    let mut others = in_theirs.iter();
                    others.any(|other| one.holds(&other.path) || other.holds(&one.path))
                };
                let both = self.stored(own.role).find(|one| nests(one))?;
                Some(format!("{}/{}", own.path, both.plain()))
            }
            _ => Some(own.path.clone()),
        };
        path.map(Overlap::Same)
    }

    /// The paths in the store of that role.
    fn stored(&self, role: Role) -> impl Iterator<Item = &Stored> {
        let all = self.layout.rules.stored().iter();
        all.filter(move |stored| stored.is_shared == (role == Role::Shared))
    }

    fn places(&self) -> Vec<Place> {
        let target = &self.layout.target;
        let place = |path: String, role| Place { path, role };
        let beside = |name: String| format!("{}/{name}", target.parent());
        let mut places = vec![place(target.to_string(), Role::Target)];
        if self.layout.method == SyncMethod::Symlink {
            places.push(place(beside(self.layout.releases()), Role::Releases));
            places.push(place(beside(self.layout.shared()), Role::Shared));
            if self.stored(Role::Kept).next().is_some() {
                places.push(place(beside(self.layout.kept()), Role::Kept));
            }
        }
        places
    }

    /// Whether what is at `below` in one of our directories stays as it is.
    fn leaves_alone(&self, role: Role, below: &str) -> bool {
        let rules = &self.layout.rules;
        match (role, self.layout.method) {
            (Role::Releases | Role::Shared | Role::Kept, _) => false,
            (Role::Target, SyncMethod::InPlace) => rules.keeps(below),
            (Role::Target, SyncMethod::Symlink) => rules.stored().iter().any(|stored| stored.holds(below)),
        }
    }
}

/// The rest of `path` where it lies inside `directory`.
fn below<'a>(path: &'a str, directory: &str) -> Option<&'a str> {
    path.strip_prefix(directory)?.strip_prefix('/')
}

impl Overlap {
    /// What overlaps and what to do, to follow the other environment's name in a sentence.
    pub fn sentence(&self) -> String {
        match self {
            Self::Same(path) => format!(
                "goes to {path} as well; the two would overwrite each other. Give each environment a target path of its own."
            ),
            Self::Inside { own, around } => format!(
                "goes to {around}, and {own} lies inside it; the two would overwrite each other. Give each environment a target path of its own, or exclude the inner path from the outer one."
            ),
            Self::Around { own, inside } => format!(
                "goes to {inside}, which lies inside {own}; the two would overwrite each other. Give each environment a target path of its own, or exclude the inner path from the outer one."
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::EnvironmentOptions;
    use crate::sync::rules::Rules;

    fn ground(project: &str, method: SyncMethod, user: &str, target: &str, kept: &[&str]) -> Ground {
        let kept: Vec<String> = kept.iter().map(|path| (*path).to_owned()).collect();
        let options = match method {
            SyncMethod::InPlace => EnvironmentOptions {
                excluded: kept,
                ..Default::default()
            },
            SyncMethod::Symlink => EnvironmentOptions {
                shared: kept,
                ..Default::default()
            },
        };
        Ground {
            user: user.to_owned(),
            layout: Layout {
                project: project.parse().unwrap(),
                environment: "prod".parse().unwrap(),
                target: target.parse().unwrap(),
                method,
                rules: Rules::new(&options, method).unwrap(),
            },
        }
    }

    fn in_place(target: &str) -> Ground {
        ground("shop", SyncMethod::InPlace, "deploy", target, &[])
    }

    fn releases(project: &str, target: &str) -> Ground {
        ground(project, SyncMethod::Symlink, "deploy", target, &[])
    }

    #[test]
    fn one_place_inside_another_is_seen_from_both_sides() {
        let (outer, inner) = (in_place("/srv/shop"), releases("api", "/srv/shop/api"));
        let seen = inner.overlap(&outer).unwrap();
        assert!(seen.sentence().starts_with(
            "goes to /srv/shop, and /srv/shop/api lies inside it; the two would overwrite each other."
        ));
        assert!(matches!(outer.overlap(&inner), Some(Overlap::Around { .. })));
        assert_eq!(
            outer.overlap(&in_place("/srv/shop")),
            Some(Overlap::Same("/srv/shop".into()))
        );
        assert_eq!(outer.overlap(&in_place("/srv/shopping")), None);
    }

    #[test]
    fn releases_and_shared_paths_take_their_directories_too() {
        let shop = releases("shop", "/srv/www");
        for taken in ["/srv/shop_releases", "/srv/shop_shared", "/srv/shop_releases/x"] {
            let other = ground("api", SyncMethod::InPlace, "deploy", taken, &[]);
            assert!(shop.overlap(&other).is_some(), "{taken}");
            assert!(other.overlap(&shop).is_some(), "{taken}");
        }
        for inside in ["/srv/shop_shared/api", "/srv/shop_releases/api"] {
            assert!(shop.overlap(&in_place(inside)).is_some(), "{inside}");
            assert!(in_place(inside).overlap(&shop).is_some(), "{inside}");
            assert!(releases("api", inside).overlap(&shop).is_some(), "{inside}");
        }
        // Two environments of one project have their releases side by side.
        assert_eq!(shop.overlap(&releases("shop", "/srv/beta")), None);
        assert_eq!(shop.overlap(&releases("api", "/srv/api")), None);
    }

    #[test]
    fn what_the_outer_keeps_may_be_somebody_elses() {
        let outer = |method, kept: &[&str]| ground("shop", method, "deploy", "/srv/shop", kept);
        let inner = in_place("/srv/shop/apps/api");
        for kept in ["apps/api", "apps/", "apps/*"] {
            let outer = match kept {
                "apps/*" => ground("shop", SyncMethod::InPlace, "deploy", "/srv/shop", &[kept]),
                kept => outer(SyncMethod::InPlace, &[kept]),
            };
            assert_eq!(outer.overlap(&inner), None, "{kept}");
            assert_eq!(inner.overlap(&outer), None, "{kept}");
        }
        assert!(outer(SyncMethod::InPlace, &["apps/ap"]).overlap(&inner).is_some());
        assert_eq!(outer(SyncMethod::Symlink, &["apps/api/"]).overlap(&inner), None);
        let mut excluding = outer(SyncMethod::Symlink, &[]);
        let rules = |excluded: &str| {
            let options = EnvironmentOptions {
                excluded: vec![excluded.to_owned()],
                ..Default::default()
            };
            Rules::new(&options, SyncMethod::Symlink).unwrap()
        };
        excluding.layout.rules = rules("apps/api");
        assert_eq!(excluding.overlap(&inner), None);
        excluding.layout.rules = rules("apps/*");
        assert!(excluding.overlap(&inner).is_some(), "a pattern is not kept");
        // Excluding the link would still leave its releases unprotected.
        let linked = releases("api", "/srv/shop/apps/api");
        assert!(
            outer(SyncMethod::InPlace, &["apps/api"])
                .overlap(&linked)
                .is_some()
        );
        assert_eq!(outer(SyncMethod::InPlace, &["apps"]).overlap(&linked), None);
    }

    /// With releases, and these excluded and shared paths.
    fn storing(project: &str, target: &str, excluded: &[&str], shared: &[&str]) -> Ground {
        let owned = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
        let options = EnvironmentOptions {
            excluded: owned(excluded),
            shared: owned(shared),
            ..Default::default()
        };
        let mut ground = releases(project, target);
        ground.layout.rules = Rules::new(&options, SyncMethod::Symlink).unwrap();
        ground
    }

    #[test]
    fn a_store_is_one_environments_or_one_projects() {
        // The target is called as the project, and so its store as that of the project's shared paths.
        let prod = storing("shop", "/srv/shop", &["uploads/", "var/log"], &["cache"]);
        for (excluded, shared, path) in [
            (&[][..], &["uploads"][..], Some("uploads")),
            (&[], &["var"], Some("var/log")),
            (&[], &["var/log/x"], Some("var/log")),
            (&[], &["cache", "logs"], None),
            (&["uploads", "var/log", "cache"], &[], None),
        ] {
            let beta = storing("shop", "/srv/beta", excluded, shared);
            let same = path.map(|path| format!("/srv/shop_shared/{path}"));
            assert_eq!(prod.overlap(&beta), same.map(Overlap::Same), "{shared:?}");
            assert_eq!(beta.overlap(&prod).is_some(), path.is_some(), "{shared:?}");
        }
        // The store of one project's target is that of another project's shared paths, whatever is in it.
        let web = storing("web", "/srv/api", &["uploads"], &[]);
        for shared in [&[][..], &["other"]] {
            let api = storing("api", "/srv/www", &[], shared);
            let same = Some(Overlap::Same("/srv/api_shared".into()));
            assert_eq!(web.overlap(&api), same);
            assert_eq!(api.overlap(&web), same);
        }
        // So it is with the directory of releases of another project, and a target in the way of either.
        let odd = storing("x", "/srv/api_releases", &["uploads"], &[]);
        assert!(odd.overlap(&releases("api", "/srv/www")).is_some());
        assert!(
            releases("api", "/srv/x_shared")
                .overlap(&releases("x", "/srv/www"))
                .is_some()
        );
        // A directory away, there is nothing in the way.
        assert_eq!(web.overlap(&storing("api", "/opt/www", &[], &["uploads"])), None);
    }

    #[test]
    fn a_home_is_somebodys_and_everything_else_is_for_all() {
        let at = |user, target| ground("shop", SyncMethod::InPlace, user, target, &[]);
        assert!(at("a", "~/shop").overlap(&at("a", "~/shop/api")).is_some());
        assert_eq!(at("a", "~/shop").overlap(&at("b", "~/shop")), None);
        assert!(at("a", "/srv/shop").overlap(&at("b", "/srv/shop")).is_some());
    }
}
