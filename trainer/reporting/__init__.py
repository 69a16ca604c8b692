"""What a run says about itself while it trains, and the page about it.

reporter hands the metrics of each update on: to metrics.jsonl, to the display and to the trackers.
speed computes MFU and the remaining time. report is the HTML page, which needs no torch.
"""
