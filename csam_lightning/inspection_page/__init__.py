"""The inspection page: scans dropped into a browser, judged, looked at and corrected."""
