//! The websocket transport: the protocol of fastapi_websocket_pubsub, as link and as door.
