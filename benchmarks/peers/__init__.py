"""Programs that run peers. A peer whose packages conflict with ours has its own environment."""
