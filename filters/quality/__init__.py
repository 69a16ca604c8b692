"""Document filters: a score for each document of a batch, and a threshold on the score.

- registry: the filters by name, with their defaults; applies filters to a batch.
- batch: the documents that a score gets.
- scope: the documents that a filter acts on.

Scores, one module for each thing that is read or counted:

- text_statistics: sizes, lines, and shares of characters.
- first_lines: XML headers.
- generated: generated files, by phrases, paths and Linguist's rules.
- encoded_data: base64, hexadecimal and escaped data.
- extensions: whether the extension fits the language, by two published tables.
- html_text: visible text of HTML pages.
- comments: share of comments.
- gopher: Gopher's rules for web prose.

To add a filter: write a score in its own module, and add one line to FILTERS in the registry.
"""
