"""Grants: which two guests share which region, and which path their link takes."""
