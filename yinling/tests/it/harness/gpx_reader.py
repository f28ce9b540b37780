"""Reads GPX from stdin with gpxpy and prints what it understood as JSON: the version, and each point."""

import json
import sys

import gpxpy

gpx = gpxpy.parse(sys.stdin.read(), version="1.1")
points = [
    [point.latitude, point.longitude, point.time.isoformat()]
    for track in gpx.tracks
    for segment in track.segments
    for point in segment.points
]
print(json.dumps({"version": gpx.version, "creator": gpx.creator, "points": points}))
