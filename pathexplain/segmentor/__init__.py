"""segmentor"""
