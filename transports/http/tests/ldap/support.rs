//! The directory of the tests, and how it is asked.

use std::future::Future;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use eventhive_http::access::ldap::{KEYS, LdapDirectory};
use eventhive_http::access::{Asker, Directory, DirectoryError, Rights};
use eventhive_transport::Settings;
use tokio::time::timeout;

use crate::slapd::Slapd;

/// How long anything may take. Only a failing test waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Alice is in three groups, two of them with a segment of the same name. The names of some users are made to be mistaken
/// for syntax.
pub(crate) const ENTRIES: &str = r"dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit

dn: ou=groups,dc=example,dc=org
objectClass: organizationalUnit

dn: uid=alice,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
cn: Alice
sn: A
userPassword: wonder:land

dn: uid=bob,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
cn: Bob
sn: B
userPassword: builder

dn: uid=lonely,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
cn: Lonely
sn: L
userPassword: lonely

dn: uid=o'neil (x)\,*,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
cn: Neil
sn: N
userPassword: special

dn: uid=*,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
cn: Star
sn: S
userPassword: star

dn: cn=staff,ou=groups,dc=example,dc=org
objectClass: groupOfNames
member: uid=alice,ou=people,dc=example,dc=org
member: uid=bob,ou=people,dc=example,dc=org
member: uid=o'neil (x)\,*,ou=people,dc=example,dc=org

dn: cn=writers,ou=groups,dc=example,dc=org
objectClass: groupOfNames
member: uid=alice,ou=people,dc=example,dc=org

dn: cn=unix,ou=groups,dc=example,dc=org
objectClass: posixGroup
gidNumber: 1000
memberUid: alice

dn: cn=unlisted,ou=groups,dc=example,dc=org
objectClass: groupOfNames
member: uid=alice,ou=people,dc=example,dc=org
";

/// The block of the configuration, with `more` keys. Nothing is remembered, and nobody waits long, unless those say so.
pub(crate) fn block(uri: &str, more: &str) -> String {
    let mut block = format!(
        "uri: {uri}
user_dn: uid=%s,ou=people,dc=example,dc=org
base_scope: dc=example,dc=org
membership_patterns:
  - member=uid=%s,ou=people,dc=example,dc=org
  - (memberUid=%s)
acl:
  cn=staff,ou=groups,dc=example,dc=org: {{private: [git]}}
  CN=Writers, OU=Groups, DC=example, DC=org: {{private: [svn, trunk], topics: [bread]}}
  cn=unix,ou=groups,dc=example,dc=org: [unix]
{more}
"
    );
    for (key, value) in [("cache_secs", "0"), ("refusal_cache_secs", "0"), ("retry_secs", "0.05")] {
        if !more.contains(key) {
            block.push_str(&format!("{key}: {value}\n"));
        }
    }
    block
}

pub(crate) fn directory(uri: &str, more: &str) -> LdapDirectory {
    read(&block(uri, more))
}

pub(crate) fn read(block: &str) -> LdapDirectory {
    let node = eventhive_yaml::read(0, block).unwrap().unwrap();
    LdapDirectory::from_settings(&Settings::check("ldap", &node, KEYS).unwrap()).unwrap()
}

/// A server with the entries above, and a directory that asks it.
pub(crate) fn pair(more: &str) -> (Slapd, LdapDirectory) {
    let slapd = Slapd::start(ENTRIES);
    let directory = directory(&slapd.uri(), more);
    (slapd, directory)
}

/// As a client with an address of its own.
pub(crate) async fn lookup(
    directory: &LdapDirectory,
    user: &str,
    password: &str,
) -> Result<Option<Arc<Rights>>, DirectoryError> {
    static CLIENTS: AtomicU32 = AtomicU32::new(0x0a00_0000);
    let client = Ipv4Addr::from(CLIENTS.fetch_add(1, Ordering::Relaxed));
    lookup_for(directory, user, password, Asker::Client(Some(client.into()))).await
}

pub(crate) async fn lookup_for(
    directory: &LdapDirectory,
    user: &str,
    password: &str,
    asker: Asker,
) -> Result<Option<Arc<Rights>>, DirectoryError> {
    timeout(PATIENCE, directory.lookup(user, password, asker)).await.expect("every lookup ends")
}

/// What someone may see, in order; `None` for nobody.
pub(crate) async fn segments(directory: &LdapDirectory, user: &str, password: &str) -> Option<Vec<String>> {
    let rights = lookup(directory, user, password).await.expect("the server is asked")?;
    let mut segments: Vec<String> = rights.segments.iter().map(|segment| segment.join(" ")).collect();
    segments.sort();
    Some(segments)
}

/// Waits for a condition that nothing announces.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let waited = timeout(PATIENCE, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("it did not happen that {what}"));
}
