//! The broker of a network: subscriptions index, fan-out, bounded queues, backlog with cursors.
