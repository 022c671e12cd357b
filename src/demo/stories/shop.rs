//! The web shop: the busiest of the sample projects, with scripts of all four kinds.

use super::Edit::{Append, Binary, Drop, Many, Move, Put, Script, Swap};
use super::scripts::{SHOP_DEPLOY, SHOP_LOCAL_TESTS, SHOP_PREDEPLOY, SHOP_TESTS};
use super::{Act, DORA, INES, LEA, RAVI, TOM, branch, commit, merge};

const README: &str = "# webshop\n\nThe shop our customers see.\n\n    npm install\n    npm start\n\nDeployed with `predeploy.sh` (build), `deploy.sh` (restart) and `tests/` (smoke tests).\n";
const SERVER: &str = "import { catalogue } from './catalogue.js';\nimport { basket } from './basket.js';\n\nexport const routes = {\n  '/': catalogue,\n  '/basket': basket,\n};\n";
const CATALOGUE: &str = "const PAGE_SIZE = 24;\n\nexport function catalogue({ query, page = 1 }) {\n  const found = search(query);\n  const from = (page - 1) * PAGE_SIZE;\n  return { items: found.slice(from, from + PAGE_SIZE), pages: Math.ceil(found.length / PAGE_SIZE) };\n}\n";
const BASKET: &str = "export function basket(session) {\n  const lines = session.lines ?? [];\n  const total = lines.reduce((sum, line) => sum + line.price * line.count, 0);\n  return { lines, total };\n}\n";
const BASKET_PAGE: &str = "<main class=\"basket\">\n  <h1>Your basket</h1>\n  {{#each lines}}\n  <p class=\"line\">{{title}} × {{count}} <b>{{price}}</b></p>\n  {{/each}}\n  <p class=\"total\">{{total}}</p>\n</main>\n";
const CHECKOUT_PAGE: &str = "<main class=\"checkout\">\n  <h1>Where shall we send it?</h1>\n  <form method=\"post\">\n    <label>Name <input name=\"name\" required></label>\n    <label>Street <input name=\"street\" required></label>\n    <label>Town <input name=\"town\" required></label>\n    <button>Continue to payment</button>\n  </form>\n</main>\n";
const SPEC: &str = "adds up the lines|src/basket.js|reduce\nshows the total|templates/basket.html|total\npages hold 24 items|src/catalogue.js|PAGE_SIZE = 24\nthe basket has a route|src/server.js|/basket\n";
const CHECKOUT_SPEC: &str =
    "asks for the street|templates/checkout.html|street\nhas a route|src/server.js|/checkout\n";
const GIFT_CARDS: &str = "export function redeem(card, total) {\n  if (card.left <= 0) return { total, used: 0 };\n  const used = Math.min(card.left, total);\n  return { total: total - used, used };\n}\n";

/// What happened to the shop.
pub const ACTS: &[Act] = &[
    commit(
        "main",
        DORA,
        "Start the shop\n\nA catalogue, a basket and nothing else yet.",
        &[
            Put("README.md", README),
            Put(".gitignore", "node_modules/\npublic/assets/\n"),
            Put(
                "package.json",
                "{\n  \"name\": \"webshop\",\n  \"version\": \"2.4.0\",\n  \"type\": \"module\"\n}\n",
            ),
            Put("src/server.js", SERVER),
            Put("src/catalogue.js", CATALOGUE),
            Put(
                "templates/catalogue.html",
                "<main class=\"catalogue\">{{#each items}}<a href=\"/item/{{id}}\">{{title}}</a>{{/each}}</main>\n",
            ),
            Put(
                "styles/base.css",
                "body {\n  margin: 0;\n  font: 16px/1.5 system-ui;\n}\n",
            ),
            Binary("public/logo.png", super::super::pictures::logo),
        ],
    ),
    commit(
        "main",
        TOM,
        "Add the basket",
        &[
            Put("src/basket.js", BASKET),
            Put("templates/basket.html", BASKET_PAGE),
            Put("styles/basket.css", ".basket .total {\n  font-weight: 700;\n}\n"),
        ],
    ),
    commit(
        "main",
        DORA,
        "Deploy with scripts: build, restart, smoke tests",
        &[
            Script("predeploy.sh", SHOP_PREDEPLOY),
            Script("deploy.sh", SHOP_DEPLOY),
            Script("tests/run_local_tests.sh", SHOP_LOCAL_TESTS),
            Script("tests/run_tests.sh", SHOP_TESTS),
            Put("tests/basket.spec", SPEC),
        ],
    ),
    commit(
        "main",
        INES,
        "Product pictures for the autumn collection",
        &[
            Binary("public/pictures/autumn.png", super::super::pictures::autumn),
            Many(products),
        ],
    ),
    commit(
        "main",
        RAVI,
        "Search is not case-sensitive any more",
        &[Swap(
            "src/catalogue.js",
            "search(query)",
            "search((query ?? '').toLowerCase())",
        )],
    ),
    branch("feature/checkout", "main"),
    commit(
        "feature/checkout",
        INES,
        "Ask where the parcel goes",
        &[Put("templates/checkout.html", CHECKOUT_PAGE)],
    ),
    commit(
        "feature/checkout",
        INES,
        "Give the checkout its route and tests",
        &[
            Swap(
                "src/server.js",
                "  '/basket': basket,\n",
                "  '/basket': basket,\n  '/checkout': checkout,\n",
            ),
            Put(
                "src/checkout.js",
                "export function checkout(session) {\n  return { address: session.address ?? {} };\n}\n",
            ),
            Put("tests/checkout.spec", CHECKOUT_SPEC),
        ],
    ),
    commit(
        "main",
        TOM,
        "Round the total to cents\n\nThree items for 19.99 cost 59.97, not 59.970000000000006.",
        &[Swap(
            "src/basket.js",
            "return { lines, total };",
            "return { lines, total: Math.round(total * 100) / 100 };",
        )],
    ),
    merge("feature/checkout", "main", DORA),
    commit(
        "main",
        LEA,
        "Larger touch targets in the basket",
        &[Append(
            "styles/basket.css",
            ".basket button {\n  min-height: 44px;\n  min-width: 44px;\n}\n",
        )],
    ),
    branch("release-2.4", "main"),
    commit(
        "main",
        DORA,
        "Begin 2.5",
        &[Swap("package.json", "2.4.0", "2.5.0")],
    ),
    commit(
        "main",
        RAVI,
        "Name things by what they are: catalogue becomes products",
        &[
            Move("src/catalogue.js", "src/products.js"),
            Move("templates/catalogue.html", "templates/products.html"),
            Swap("src/server.js", "'./catalogue.js'", "'./products.js'"),
            Swap("tests/basket.spec", "src/catalogue.js", "src/products.js"),
        ],
    ),
    branch("feature/gift-cards", "main"),
    commit(
        "feature/gift-cards",
        TOM,
        "Redeem gift cards in the basket",
        &[Put("src/gift-cards.js", GIFT_CARDS)],
    ),
    commit(
        "main",
        LEA,
        "Dark colours for those who prefer them",
        &[Put(
            "styles/dark.css",
            "@media (prefers-color-scheme: dark) {\n  body {\n    background: #14181f;\n    color: #dde3ea;\n  }\n}\n",
        )],
    ),
    commit(
        "release-2.4",
        TOM,
        "Do not send the newsletter box twice",
        &[Append(
            "src/checkout.js",
            "\nexport const newsletter = { once: true };\n",
        )],
    ),
    commit(
        "main",
        INES,
        "Show when the parcel arrives",
        &[
            Swap(
                "templates/basket.html",
                "  <p class=\"total\">",
                "  <p class=\"arrival\">Arrives {{arrival}}</p>\n  <p class=\"total\">",
            ),
            Swap(
                "src/basket.js",
                "return { lines, total:",
                "return { lines, arrival: nextWorkday(2), total:",
            ),
        ],
    ),
    merge("release-2.4", "main", DORA),
    commit(
        "feature/gift-cards",
        TOM,
        "A card can be used more than once",
        &[Append(
            "src/gift-cards.js",
            "\nexport function left(card, used) {\n  return { ...card, left: card.left - used };\n}\n",
        )],
    ),
    commit(
        "main",
        RAVI,
        "Cache product pages for a minute",
        &[Append(
            "src/products.js",
            "\nexport const cache = { seconds: 60, vary: 'Accept-Language' };\n",
        )],
    ),
    commit(
        "main",
        DORA,
        "Remove the old logo from the mails",
        &[Put(
            "templates/mail.html",
            "<p>Thank you, {{name}}. Your order {{number}} is on its way.</p>\n",
        )],
    ),
    commit(
        "main",
        LEA,
        "Fix the contrast of prices on sale",
        &[Append("styles/base.css", ".sale {\n  color: #a3171f;\n}\n")],
    ),
    merge("feature/gift-cards", "main", INES),
    commit(
        "main",
        TOM,
        "Offer gift cards at the checkout",
        &[Swap(
            "templates/checkout.html",
            "    <button>",
            "    <label>Gift card <input name=\"card\"></label>\n    <button>",
        )],
    ),
    branch("feature/wish-list", "main"),
    commit(
        "feature/wish-list",
        LEA,
        "Hearts beside products (not wired up yet)",
        &[Append(
            "templates/products.html",
            "<button class=\"heart\" aria-label=\"Remember this\">♡</button>\n",
        )],
    ),
    commit(
        "main",
        INES,
        "Say what a gift card still holds",
        &[Append(
            "templates/mail.html",
            "<p>There is {{left}} left on your gift card.</p>\n",
        )],
    ),
    commit(
        "main",
        RAVI,
        "Drop the autumn pictures, winter is here",
        &[
            Drop("public/pictures/autumn.png"),
            Binary("public/pictures/winter.png", super::super::pictures::winter),
        ],
    ),
    commit(
        "main",
        DORA,
        "Warm the product pages after a deployment",
        &[Append(
            "README.md",
            "\nPages are warmed by `deploy.sh`, so that nobody waits for the first one.\n",
        )],
    ),
];

/// The products' texts, one file each.
fn products() -> Vec<(String, String)> {
    const THINGS: [&str; 8] = [
        "scarf", "jumper", "boots", "hat", "coat", "gloves", "blanket", "lantern",
    ];
    const COLOURS: [&str; 5] = ["moss", "rust", "slate", "cream", "plum"];
    let all = THINGS
        .iter()
        .flat_map(|thing| COLOURS.iter().map(move |colour| (*thing, *colour)));
    all.enumerate()
        .map(|(number, (thing, colour))| {
            let text = format!(
                "title: {colour} {thing}\nnumber: {}\nprice: {}.90\nstock: {}\n",
                1000 + number,
                12 + number * 3 % 80,
                number * 7 % 23
            );
            (format!("products/{thing}/{colour}.yaml"), text)
        })
        .collect()
}
