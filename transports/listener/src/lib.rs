//! HTTP listeners that several doors share: binding, TLS with reload, limits, drain.
