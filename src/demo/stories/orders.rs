//! The orders API. The newest commit on `main` has a test that fails: deploying it shows what a
//! failure looks like before any server is touched.

use super::Edit::{Append, Move, Put, Script, Swap};
use super::scripts::{API_DEPLOY, API_LOCAL_TESTS, API_TESTS};
use super::{Act, DORA, INES, RAVI, TOM, branch, commit, merge};

const ROUTES: &str = "from app import orders, stock\n\nROUTES = {\n    '/orders': orders.index,\n    '/orders/new': orders.create,\n    '/stock': stock.index,\n}\n";
const ORDERS: &str = "def index(store, customer):\n    return store.orders(customer=customer, newest_first=True)\n\n\ndef create(store, customer, lines):\n    if not lines:\n        raise ValueError('an order needs at least one line')\n    return store.insert_order(customer, lines)\n";
const STOCK: &str = "RESERVE_MINUTES = 15\n\n\ndef index(store):\n    return {item.number: item.free for item in store.items()}\n\n\ndef reserve(store, lines):\n    for line in lines:\n        store.reserve(line.number, line.count, minutes=RESERVE_MINUTES)\n";
const CASES: &str = "test_orders.py::test_needs_a_line|grep -c 'at least one line' app/orders.py|1\ntest_orders.py::test_newest_first|grep -c newest_first=True app/orders.py|1\ntest_stock.py::test_reserves_for_a_quarter|sed -n 's/RESERVE_MINUTES = //p' app/stock.py|15\ntest_routes.py::test_orders_has_a_route|grep -c \"'/orders'\" app/routes.py|1\n";
const REFUNDS: &str = "FEE_PERCENT = 0\n\n\ndef refund(store, order, lines):\n    amount = sum(line.price * line.count for line in lines)\n    return store.pay_back(order, amount * (100 - FEE_PERCENT) / 100)\n";

/// What happened to the API.
pub const ACTS: &[Act] = &[
    commit(
        "main",
        RAVI,
        "Orders and stock, as the shop needs them",
        &[
            Put(
                "README.md",
                "# orders-api\n\nOrders, stock and refunds over HTTP.\n",
            ),
            Put(
                "requirements.txt",
                "flask==3.1.0\npsycopg==3.2.3\ngunicorn==23.0.0\n",
            ),
            Put("app/__init__.py", ""),
            Put("app/routes.py", ROUTES),
            Put("app/orders.py", ORDERS),
            Put("app/stock.py", STOCK),
            Put(
                "migrations/0001_orders.sql",
                "create table orders (id bigserial primary key, customer text not null, created timestamptz not null);\n",
            ),
        ],
    ),
    commit(
        "main",
        RAVI,
        "Run migrations and restart workers when deploying",
        &[
            Script("deploy.sh", API_DEPLOY),
            Script("tests/run_tests.sh", API_TESTS),
        ],
    ),
    commit(
        "main",
        TOM,
        "Tests before anything is sent",
        &[
            Script("tests/run_local_tests.sh", API_LOCAL_TESTS),
            Put("tests/cases.txt", CASES),
        ],
    ),
    commit(
        "main",
        INES,
        "Lines of an order have a table of their own",
        &[Put(
            "migrations/0002_order_lines.sql",
            "create table order_lines (order_id bigint references orders, number integer, count integer, price numeric(10, 2));\n",
        )],
    ),
    commit(
        "main",
        TOM,
        "Answer 409 when the stock is gone in between",
        &[Append(
            "app/stock.py",
            "\n\nclass Gone(Exception):\n    status = 409\n",
        )],
    ),
    branch("release", "main"),
    branch("feature/refunds", "main"),
    commit(
        "feature/refunds",
        DORA,
        "Pay lines of an order back",
        &[
            Put("app/refunds.py", REFUNDS),
            Append(
                "tests/cases.txt",
                "test_refunds.py::test_no_fee|sed -n 's/FEE_PERCENT = //p' app/refunds.py|0\n",
            ),
        ],
    ),
    commit(
        "main",
        RAVI,
        "Log the request's number with every line",
        &[Put(
            "app/logging.py",
            "FORMAT = '%(asctime)s %(request_id)s %(message)s'\n",
        )],
    ),
    commit(
        "main",
        INES,
        "Index orders by customer",
        &[Put(
            "migrations/0003_orders_by_customer.sql",
            "create index orders_customer on orders (customer, created desc);\n",
        )],
    ),
    merge("main", "release", DORA),
    commit(
        "feature/refunds",
        DORA,
        "Give refunds their route",
        &[Swap(
            "app/routes.py",
            "    '/stock': stock.index,\n",
            "    '/stock': stock.index,\n    '/refunds': refunds.refund,\n",
        )],
    ),
    commit(
        "main",
        TOM,
        "Retry the warehouse twice before giving up",
        &[Put("app/warehouse.py", "RETRIES = 2\nTIMEOUT_SECONDS = 3\n")],
    ),
    merge("feature/refunds", "main", RAVI),
    commit(
        "main",
        INES,
        "Refunds are rows too",
        &[Put(
            "migrations/0004_refunds.sql",
            "create table refunds (order_id bigint references orders, amount numeric(10, 2), at timestamptz);\n",
        )],
    ),
    merge("main", "release", DORA),
    commit(
        "release",
        DORA,
        "Give the warehouse five seconds\n\nIt answers slowly since their move; main gets this with the next merge.",
        &[Swap(
            "app/warehouse.py",
            "TIMEOUT_SECONDS = 3",
            "TIMEOUT_SECONDS = 5",
        )],
    ),
    commit(
        "main",
        RAVI,
        "One place for limits",
        &[Move("app/warehouse.py", "app/limits.py")],
    ),
    commit(
        "main",
        TOM,
        "Gunicorn 23.0.1",
        &[Swap("requirements.txt", "gunicorn==23.0.0", "gunicorn==23.0.1")],
    ),
    commit(
        "main",
        INES,
        "Do not offer items that are reserved to the last one",
        &[Append(
            "app/stock.py",
            "\n\ndef offered(item):\n    return item.free > 0\n",
        )],
    ),
    branch("feature/partial-shipments", "main"),
    commit(
        "feature/partial-shipments",
        INES,
        "Ship what is there (draft)",
        &[Put(
            "app/shipments.py",
            "def split(order):\n    return [line for line in order.lines if line.ready], []\n",
        )],
    ),
    commit(
        "main",
        TOM,
        "Keep a reservation for 20 minutes\n\nA payment by bank app takes longer than we thought.",
        &[Swap(
            "app/stock.py",
            "RESERVE_MINUTES = 15",
            "RESERVE_MINUTES = 20",
        )],
    ),
];
