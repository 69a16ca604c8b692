"""What an output holds: totals, one document, examples of rejections, clusters, differences."""
