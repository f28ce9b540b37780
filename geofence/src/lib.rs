//! geofence
