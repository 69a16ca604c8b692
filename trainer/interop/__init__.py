"""Model directories of Hugging Face: what other people's programs load, and what they publish.

weights reads and writes safetensors, folder opens a directory and makes its model, mp_num handles
the row orders of CodeGen's fused projection, import_folder turns a published directory into one
that transformers computes alike, starting_weights begins a run from one, export writes a run as a
directory, record and training_data say what a model was trained on, and card writes its README.md.
"""
