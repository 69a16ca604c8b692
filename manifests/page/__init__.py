"""Self-contained HTML pages: sections, tables, and drawings as SVG, without scripts.

section says what a section holds, page lays sections out (templates/page.html), svg draws bars,
histograms and funnels, and curves draws numbers over time.
"""
