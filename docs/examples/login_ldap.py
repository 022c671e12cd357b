#!/usr/bin/env python3
"""A login plugin of the deployer: names and passwords are checked by binding to an LDAP server.

Needs the package ldap3 (python3-ldap3 in Debian). Set it in deployer.toml:

    [login_plugin]
    place = "/etc/deployer/login_ldap.py"

The question comes as one JSON document on standard input, the answer goes to standard output. Nothing printed and
exit code 0 mean that nobody is known by this name and password; any other exit code, that the server cannot be asked.
"""

import json
import sys

from ldap3 import BASE, Connection, Server
from ldap3.core.exceptions import LDAPInvalidCredentialsResult
from ldap3.utils.dn import escape_rdn

SERVER = "ldaps://ldap.example.org"
PERSON = "uid={},ou=people,dc=example,dc=org"
# How long a login lasts, in seconds: groups are asked for again after it.
LIFETIME = 12 * 3600


def group_name(dn):
    """“ops” of “cn=ops,ou=groups,dc=example,dc=org”."""
    return dn.split(",")[0].partition("=")[2]


def check(name, password):
    """What the deployer is told; None: wrong name or password."""
    # With an empty password a bind succeeds for anybody.
    if not name or not password:
        return None
    person = PERSON.format(escape_rdn(name))
    try:
        connection = Connection(Server(SERVER), person, password, auto_bind=True, raise_exceptions=True)
    except LDAPInvalidCredentialsResult:
        return None
    wanted = ["uid", "cn", "mail", "memberOf", "entryUUID"]
    connection.search(person, "(objectClass=*)", BASE, attributes=wanted)
    entry = connection.entries[0].entry_attributes_as_dict

    def first(attribute):
        return str((entry.get(attribute) or [""])[0])

    return {
        # Directories do not care for case, policy does: as it is written there.
        "name": first("uid") or name,
        # Stays the same when the name changes.
        "subject": first("entryUUID") or name,
        "display_name": first("cn"),
        "email": first("mail"),
        "groups": [group_name(str(dn)) for dn in entry.get("memberOf") or []],
        "lifetime": LIFETIME,
    }


if __name__ == "__main__":
    asked = json.load(sys.stdin)["input"]
    told = check(asked.get("name"), asked.get("password"))
    if told is not None:
        json.dump({"output": told}, sys.stdout)
