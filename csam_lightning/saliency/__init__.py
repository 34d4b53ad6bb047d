"""Where a network looked: saliency maps, their scores against known masks, and overlays to look at."""
