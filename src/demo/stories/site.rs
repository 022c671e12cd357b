//! The marketing site: many small changes by many people, put together before it is sent.

use super::Edit::{Append, Binary, Drop, Move, Put, Script, Swap};
use super::scripts::SITE_PREDEPLOY;
use super::{Act, INES, LEA, TOM, branch, commit, merge};

const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<link rel=\"stylesheet\" href=\"site.css\">\n<nav><a href=\"index.html\">Home</a> <a href=\"jobs.html\">Jobs</a> <a href=\"press.html\">Press</a></nav>\n";
const FOOT: &str = "<footer>© Lindqvist &amp; Daughters</footer>\n</html>\n";

/// What happened to the site.
pub const ACTS: &[Act] = &[
    commit(
        "main",
        LEA,
        "A site with a home page",
        &[
            Put(
                "README.md",
                "# site\n\nPages, press and jobs. `predeploy.sh` puts the pages together.\n",
            ),
            Put("partials/head.html", HEAD),
            Put("partials/foot.html", FOOT),
            Put(
                "pages/index.html",
                "<h1>Warm things, made to last</h1>\n<p>From four workshops in the north.</p>\n",
            ),
            Put(
                "styles/site.css",
                "body {\n  max-width: 60rem;\n  margin: auto;\n}\n",
            ),
            Binary("public/cover.png", super::super::pictures::cover),
            Script("predeploy.sh", SITE_PREDEPLOY),
        ],
    ),
    commit(
        "main",
        INES,
        "Add jobs",
        &[Put(
            "pages/jobs.html",
            "<h1>Jobs</h1>\n<ul>\n  <li>Weaver (Umeå)</li>\n</ul>\n",
        )],
    ),
    commit(
        "main",
        LEA,
        "Add press",
        &[Put(
            "pages/press.html",
            "<h1>Press</h1>\n<p>press@example.com</p>\n",
        )],
    ),
    commit(
        "main",
        TOM,
        "Two more weavers wanted",
        &[Swap(
            "pages/jobs.html",
            "  <li>Weaver (Umeå)</li>\n",
            "  <li>Three weavers (Umeå)</li>\n",
        )],
    ),
    branch("campaign/winter", "main"),
    commit(
        "campaign/winter",
        LEA,
        "Winter campaign: first draft",
        &[Put(
            "pages/winter.html",
            "<h1>The long evenings</h1>\n<p>Ten blankets for ten weathers.</p>\n",
        )],
    ),
    commit(
        "main",
        INES,
        "The press kit has a page of its own",
        &[Put(
            "pages/press-kit.html",
            "<h1>Press kit</h1>\n<p>Logos and pictures, free to print.</p>\n",
        )],
    ),
    commit(
        "campaign/winter",
        LEA,
        "Winter campaign: wording by the agency",
        &[Swap(
            "pages/winter.html",
            "Ten blankets for ten weathers.",
            "Ten blankets, one for every weather.",
        )],
    ),
    merge("campaign/winter", "main", INES),
    commit(
        "main",
        INES,
        "Link the winter page from home",
        &[Append(
            "pages/index.html",
            "<p><a href=\"winter.html\">The winter collection</a></p>\n",
        )],
    ),
    commit(
        "main",
        LEA,
        "Wider text on large screens",
        &[Swap("styles/site.css", "60rem", "72rem")],
    ),
    commit(
        "main",
        TOM,
        "Call the kit what people search for",
        &[Move("pages/press-kit.html", "pages/media-kit.html")],
    ),
    branch("feature/newsletter", "main"),
    commit(
        "feature/newsletter",
        LEA,
        "A box for the newsletter",
        &[Put(
            "partials/newsletter.html",
            "<form><input type=\"email\" name=\"mail\"><button>Subscribe</button></form>\n",
        )],
    ),
    commit(
        "main",
        INES,
        "Fair in Copenhagen: date and stand",
        &[Put(
            "pages/fair.html",
            "<h1>Meet us in Copenhagen</h1>\n<p>Stand 14, from Thursday to Saturday.</p>\n",
        )],
    ),
    commit(
        "main",
        LEA,
        "Fix a typo on the fair page",
        &[Swap("pages/fair.html", "Stand 14", "Stand 41")],
    ),
    commit("main", TOM, "The fair is over", &[Drop("pages/fair.html")]),
    commit(
        "main",
        LEA,
        "Opening hours over the holidays",
        &[Append(
            "pages/index.html",
            "<p>From 24 to 26 December the workshops sleep.</p>\n",
        )],
    ),
];
