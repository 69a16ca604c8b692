"""The update of the weights.

schedule has the learning rate of each update, guard decides whether an update is made, optimizer
has AdamW and the norm of the gradient.
"""
