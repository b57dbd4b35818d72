//! What the block may be, and what is said where it is wrong.

use super::super::KEYS;
use super::*;

fn node(yaml: &str) -> Node {
    eventhive_yaml::read(0, yaml).unwrap().unwrap()
}

fn config(yaml: &str) -> Result<LdapConfig, Vec<String>> {
    let settings = Settings::check("servers.a.init.ldap", &node(yaml), KEYS);
    let config = settings.and_then(|settings| LdapConfig::from_settings(&settings));
    config.map_err(|problems| problems.iter().map(|problem| format!("{}: {problem}", problem.at.line)).collect())
}

fn block(more: &str) -> String {
    format!("uri: ldap://127.0.0.1\nuser_dn: uid=%s,o=x\nbase_scope: o=x\n{more}\n")
}

/// What members of these groups may, with segments and topics in order.
fn rights(config: &LdapConfig, groups: &[&str]) -> (Vec<Vec<String>>, Vec<String>) {
    let found = groups.iter().filter_map(|group| config.groups.get(group));
    let (mut segments, mut topics) = (Vec::new(), Vec::new());
    for (_, rights) in found {
        segments.extend(rights.segments.clone());
        topics.extend(rights.topics.clone());
    }
    segments.sort();
    (segments, topics)
}

#[test]
fn a_group_has_segments_or_one_list_and_may_have_secured_topics() {
    let yaml = "acl:
  cn=one,o=x: {a: [git, secret], b: []}
  CN=Two, O=X: [svn, secret]
  cn=three,o=x:
    topics: [bread]
    a: [third]";
    let config = config(&block(yaml)).unwrap();
    let text = |rows: &[&[&str]]| -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(|it| (*it).to_owned()).collect()).collect()
    };
    assert_eq!(rights(&config, &["cn=one,o=x"]).0, text(&[&[], &["git", "secret"]]));
    assert_eq!(rights(&config, &["cn=two,o=x"]), (text(&[&["svn", "secret"]]), Vec::new()));
    let both = rights(&config, &["cn=one,o=x", "CN=Three,O=x", "cn=nobody,o=x", "not a name"]);
    assert_eq!(both.0, text(&[&[], &["git", "secret"], &["third"]]), "`a` of both");
    assert_eq!(both.1, ["bread"]);
}

#[test]
fn what_is_left_out_has_the_defaults_of_the_table() {
    let config = config(&block("acl: {}")).unwrap();
    let secs = Duration::from_secs;
    assert_eq!((config.connect_timeout, config.timeout, config.retry), (secs(2), secs(5), secs(2)));
    assert_eq!((config.idle, config.cache, config.refusal_cache), (secs(60), secs(30), secs(5)));
    assert_eq!((config.connections, config.cache_entries, config.filters.len()), (4, 10_000, 0));
    assert_eq!(config.servers[0].to_string(), "ldap://127.0.0.1:389");
}

#[test]
fn servers_are_one_or_several_in_a_list_or_in_one_text() {
    let servers = |uri: &str| {
        let yaml = format!("uri: {uri}\nuser_dn: '%s'\nbase_scope: ''\nacl: {{}}\n");
        config(&yaml).map(|config| config.servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
    };
    assert_eq!(servers("ldap://a.example:3389/"), Ok("ldap://a.example:3389".to_owned()));
    assert_eq!(servers("'ldap://[::1] LDAP://b'"), Ok("ldap://[::1]:389 ldap://b:389".to_owned()));
    assert_eq!(servers("[ldap://a, ldap://b:1]"), Ok("ldap://a:389 ldap://b:1".to_owned()));
    for (uri, why) in [
        ("a.example", "is no server"),
        ("http://a", "is no server"),
        ("'ldap://'", "is no server"),
        ("ldap://a/o=x", "where to search is said by `base_scope`"),
        ("''", "it names no server"),
    ] {
        let problems = servers(uri).unwrap_err();
        assert!(problems[0].starts_with("1: servers.a.init.ldap.uri: ") && problems[0].contains(why), "{problems:?}");
    }
}

#[test]
fn encryption_that_is_asked_for_twice_or_for_nothing_is_wrong() {
    let problem = |uri: &str, more: &str| {
        let yaml = format!("uri: {uri}\nuser_dn: '%s'\nbase_scope: ''\nacl: {{}}\n{more}\n");
        config(&yaml).err().unwrap().remove(0)
    };
    let ca = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), ca.cert.pem()).unwrap();
    let tls_ca = format!("tls_ca: {}", file.path().display());
    assert!(problem("ldaps://a", &format!("starttls: true\n{tls_ca}")).contains("`starttls` is for `ldap://`"));
    assert!(problem("ldap://a", &tls_ca).starts_with("5: servers.a.init.ldap.tls_ca: `tls_ca` has no effect"));
    assert!(problem("ldaps://a", "tls_ca: /no/such").contains("cannot read certificates from `/no/such`"));
    let yaml = format!("uri: [ldaps://a, ldap://b]\nuser_dn: '%s'\nbase_scope: ''\nacl: {{}}\n{tls_ca}\n");
    let made = config(&yaml).unwrap();
    assert_eq!(made.servers[0].to_string(), "ldaps://a:636");
    assert!(matches!((&made.servers[0].security, &made.servers[1].security), (Security::Tls(..), Security::Nothing)));
}

#[test]
fn problems_name_the_group_and_the_line_all_at_once() {
    let yaml = "membership_patterns: [member=uid=%s, uid=x, [a], '(uid=%s']
acl:
  staff: [a]
  cn=a,o=x: text
  cn=b,o=x:
    one: [1]
    two: text
  cn=c,o=x:
    topics: {a: b}";
    let expected = [
        "4: servers.a.init.ldap.membership_patterns: there is no `%s` in it, which stands for the user",
        "4: servers.a.init.ldap.membership_patterns: expected text, found a list",
        "4: servers.a.init.ldap.membership_patterns: this is no search filter: write it as `(member=uid=%s,ou=people,dc=example,dc=org)`",
        "6: servers.a.init.ldap.acl.staff: this is no name of a group: write it as `cn=staff,ou=groups,dc=example,dc=org`",
        "7: servers.a.init.ldap.acl.cn=a,o=x: expected segments with lists of topics, or one list, found text",
        "9: servers.a.init.ldap.acl.cn=b,o=x.one: a topic is text, found a whole number: put it in quotes",
        "10: servers.a.init.ldap.acl.cn=b,o=x.two: expected a list of topics, found text",
        "12: servers.a.init.ldap.acl.cn=c,o=x.topics: expected a list of topics, found a mapping",
    ];
    assert_eq!(config(&block(yaml)).err().unwrap(), expected);
}

#[test]
fn a_list_and_a_pattern_with_a_colon_at_its_end_are_taken_as_pypubsubs_sample_has_them() {
    // To YAML, the colon makes the pattern a mapping.
    let yaml = "membership_patterns:
  - member=uid=%s,ou=people,dc=example,dc=org:
  - owner=uid=%s,ou=people,dc=example,dc=org
acl:
  cn=project1,ou=groups,dc=example,dc=org:
    - private-topic-1
    - private-topic-2";
    let config = config(&block(yaml)).unwrap();
    assert_eq!(config.filters[0], FilterTemplate::parse("member=uid=%s,ou=people,dc=example,dc=org").unwrap());
    assert_eq!(config.filters.len(), 2);
    assert_eq!(
        rights(&config, &["cn=project1,ou=groups,dc=example,dc=org"]).0,
        [["private-topic-1", "private-topic-2"]]
    );
}
